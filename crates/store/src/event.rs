//! The ends of predictions and trainings in the order in which they became known, for callers that catch up instead of
//! receiving webhooks, or beside it.
//!
//! There is an event for each final message, with the message's bytes, for as long as the message is kept. Whoever reads on from
//! the last event that it has seen misses none, however many servers write at the same time, or can tell that it came too
//! late. Events say nothing about sending.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::{AccountId, Kind};
use cogwire_core::time::Timestamp;

use crate::error::Result;

/// The most bytes of the bodies of one page, unless a single one has more.
pub(crate) const PAGE_BYTES: u64 = 8 << 20;

/// A place in the order of an account's events: that of one of them. It means something only in the store that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// The transaction that wrote the event, where several write at once; else 0.
    pub(crate) transaction: u64,
    /// The event's number.
    pub(crate) position: u64,
    /// What it is about, because events of one transaction can have the same number.
    pub(crate) prediction: PredictionId,
}

/// The text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a cursor of an event")]
pub struct InvalidCursor;

/// An end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its place.
    pub cursor: EventCursor,
    /// What has ended.
    pub kind: Kind,
    /// The message about it.
    pub delivery: DeliveryId,
    /// When it became durable.
    pub created_at: Timestamp,
    /// The bytes of the message; `None` when they are not kept any more.
    pub body: Option<Bytes>,
}

/// The use cases of catching up.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// The account's events that follow `after`, or the first ones, in their order. At most `limit`, and fewer when their bodies
    /// are large; none when there are no more yet. Where several write at once, an event appears a moment after its end.
    async fn events(
        &self,
        account: &AccountId,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<Vec<EventRow>>;

    /// The last of the account's events, to read on from now; `None` when there is none.
    async fn latest_event(&self, account: &AccountId) -> Result<Option<EventCursor>>;

    /// The last of the account's events that are not kept any more; `None` when all are. A reader that has not come as far as
    /// that has missed something, unless it has read it in the meantime: ask after the events.
    async fn last_gone_event(&self, account: &AccountId) -> Result<Option<EventCursor>>;
}

impl EventCursor {
    /// Before all events.
    pub(crate) fn start() -> Self {
        let prediction = PredictionId::first_at(Timestamp::from_micros(0));
        Self { transaction: 0, position: 0, prediction }
    }
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transaction, position, prediction } = self;
        write!(f, "{transaction:x}-{position:x}-{prediction}")
    }
}

impl FromStr for EventCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> std::result::Result<Self, InvalidCursor> {
        let mut parts = text.split('-');
        let (Some(transaction), Some(position), Some(prediction), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidCursor);
        };
        let cursor = Self {
            transaction: number(transaction)?,
            position: number(position)?,
            prediction: prediction.parse().map_err(|_| InvalidCursor)?,
        };
        // One place has one text.
        if cursor.to_string() == text { Ok(cursor) } else { Err(InvalidCursor) }
    }
}

/// Stores hold numbers with a sign.
fn number(text: &str) -> std::result::Result<u64, InvalidCursor> {
    u64::from_str_radix(text, 16).ok().filter(|number| i64::try_from(*number).is_ok()).ok_or(InvalidCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(transaction: u64, position: u64) -> EventCursor {
        EventCursor { transaction, position, ..EventCursor::start() }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for cursor in
            [cursor(0, 0), cursor(77, 1_700_000_000_000_000), cursor(i64::MAX as u64, i64::MAX as u64)]
        {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let good = cursor(10, 11).to_string();
        let id = EventCursor::start().prediction;
        for bad in [
            "".to_owned(),
            "a-b".to_owned(),
            format!("{good}-"),
            format!("-{good}"),
            good.to_uppercase(),
            format!("0{good}"),
            format!("+{good}"),
            format!("8000000000000000-1-{id}"),
            format!("a-b-{id}0"),
        ] {
            assert_eq!(bad.parse::<EventCursor>(), Err(InvalidCursor), "{bad}");
        }
    }
}
