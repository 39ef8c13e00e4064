//! Which events there are, and which of them a prediction's webhook gets.

use std::ops::BitAnd;

use super::options::WebhookOptions;
use crate::text_enum;

text_enum! {
    /// What a message is about.
    WebhookEvent {
        /// The model has begun.
        Start = "start",
        /// There is new output.
        Output = "output",
        /// There is new log text.
        Logs = "logs",
        /// The prediction is over.
        Completed = "completed",
    }
}

impl WebhookEvent {
    /// All events, in the order of a prediction's life.
    pub const ALL: [Self; 4] = [Self::Start, Self::Output, Self::Logs, Self::Completed];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EventSet(u8);

impl EventSet {
    /// No event.
    pub const NONE: Self = Self(0);
    /// What a webhook without a filter gets. Replicate's API document says: new outputs, and the end.
    pub const DEFAULT: Self = Self(WebhookEvent::Output.bit() | WebhookEvent::Completed.bit());
    /// What is sent while a prediction runs, paced.
    pub const PROGRESS: Self = Self(WebhookEvent::Output.bit() | WebhookEvent::Logs.bit());

    /// The set with one more event.
    #[must_use]
    pub const fn with(self, event: WebhookEvent) -> Self {
        Self(self.0 | event.bit())
    }

    /// The events that are in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the event is in the set.
    pub const fn contains(self, event: WebhookEvent) -> bool {
        self.0 & event.bit() != 0
    }

    /// Whether there is no event in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its events, in the order of a prediction's life.
    pub fn iter(self) -> impl Iterator<Item = WebhookEvent> {
        WebhookEvent::ALL.into_iter().filter(move |event| self.contains(*event))
    }

    /// The stored form: one bit an event, from `start` (1) to `completed` (8).
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Reads the stored form; unknown bits are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b1111)
    }
}

impl FromIterator<WebhookEvent> for EventSet {
    fn from_iter<I: IntoIterator<Item = WebhookEvent>>(events: I) -> Self {
        events.into_iter().fold(Self::NONE, Self::with)
    }
}

impl BitAnd for EventSet {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

text_enum! {
    /// What the body of a message looks like.
    PayloadShape {
        /// The prediction itself, as Replicate sends it.
        Prediction = "prediction",
        /// `{"data": the prediction, "type": "prediction.completed"}`.
        Event = "event",
    }
}

/// Where a prediction's messages go, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The receiver's URL, as the caller wrote it.
    pub url: String,
    /// Scheme, host and port of the URL: what receives fairly is counted by it.
    pub origin: String,
    /// The events to send.
    pub events: EventSet,
    /// The filter that the caller gave, to echo it; `None` when there was none.
    pub filter: Option<EventSet>,
    /// What bodies look like.
    pub payload: PayloadShape,
    /// What the caller asked for beyond Replicate's fields.
    pub options: WebhookOptions,
}
