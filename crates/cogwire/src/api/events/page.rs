//! A page of events in JSON.

use cogwire_core::json::ObjectWriter;
use cogwire_store::event::{EventCursor, EventRow};

use super::asked::START;
use crate::api::list::array;

/// What of an event is not its body, more or less, in bytes.
const FRAME: usize = 256;

/// After which event a page begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// One that the reader has seen: it must not miss any that follow.
    Seen(EventCursor),
    /// Where it suits: what is gone is not missed.
    Any(Option<EventCursor>),
}

/// Events in their order, and where the next ones are.
pub(super) struct Page {
    rows: Vec<EventRow>,
    next: String,
    /// Whether there were events after the place that nobody can read any more.
    gap: bool,
}

impl Place {
    pub(super) fn cursor(self) -> Option<EventCursor> {
        match self {
            Self::Seen(cursor) => Some(cursor),
            Self::Any(cursor) => cursor,
        }
    }

    fn is_before(self, gone: Option<EventCursor>) -> bool {
        matches!((self, gone), (Self::Seen(seen), Some(gone)) if seen < gone)
    }
}

impl Page {
    /// The events that were found after a place; the next ones are after the last of them, or still after that place, or after
    /// the last event that is `gone`.
    pub(super) fn new(rows: Vec<EventRow>, place: Place, gone: Option<EventCursor>) -> Self {
        let gap = place.is_before(gone);
        let nothing = if gap { gone } else { place.cursor() };
        let next = rows.last().map(|row| row.cursor).or(nothing);
        Self { rows, next: next.map_or_else(|| START.to_owned(), |cursor| cursor.to_string()), gap }
    }

    /// Whether there is anything to tell.
    pub(super) fn is_news(&self) -> bool {
        self.gap || !self.rows.is_empty()
    }

    /// The answer's body.
    pub(super) fn into_json(self) -> String {
        let results: Vec<String> = self.rows.iter().map(event).collect();
        let mut body = String::with_capacity(results.iter().map(String::len).sum::<usize>() + FRAME);
        let mut object = ObjectWriter::new(&mut body);
        object.bool("gap", self.gap).string("next", &self.next).raw("results", &array(&results));
        object.finish();
        body
    }
}

fn event(row: &EventRow) -> String {
    let mut text = String::with_capacity(row.body.as_ref().map_or(0, bytes::Bytes::len) + FRAME);
    let mut object = ObjectWriter::new(&mut text);
    object.string("created_at", &row.created_at.to_string()).string("cursor", &row.cursor.to_string());
    match row.body.as_deref().and_then(|body| std::str::from_utf8(body).ok()) {
        Some(body) => object.raw("data", body),
        None => object.null("data"),
    };
    object.string("type", &format!("{}.completed", row.kind)).string("webhook_id", &row.delivery.to_string());
    object.finish();
    text
}
