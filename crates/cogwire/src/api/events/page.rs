//! A page of events in JSON.

use cogwire_core::json::ObjectWriter;
use cogwire_store::event::{EventCursor, EventRow};

use super::asked::START;
use crate::api::list::array;

/// What of an event is not its body, more or less, in bytes.
const FRAME: usize = 256;

/// Events in their order, and where the next ones are.
pub(super) struct Page {
    rows: Vec<EventRow>,
    next: String,
}

impl Page {
    /// The events that were found after a place; the next ones are after the last of them, or still after that place.
    pub(super) fn new(rows: Vec<EventRow>, from: Option<EventCursor>) -> Self {
        let next = rows.last().map(|row| row.cursor).or(from);
        Self { rows, next: next.map_or_else(|| START.to_owned(), |cursor| cursor.to_string()) }
    }

    /// Whether there was nothing yet.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The answer's body.
    pub(super) fn into_json(self) -> String {
        let results: Vec<String> = self.rows.iter().map(event).collect();
        let mut body = String::with_capacity(results.iter().map(String::len).sum::<usize>() + FRAME);
        let mut object = ObjectWriter::new(&mut body);
        object.string("next", &self.next).raw("results", &array(&results));
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
