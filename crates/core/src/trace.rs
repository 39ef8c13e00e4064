//! Spans of distributed traces, as plain data: what has ended, when, and what it was part of.
//!
//! A [`SpanContext`] is what a `traceparent` says. A [`Span`] is made when the work that it shows is over, of times and ids that
//! its maker took from its own clock and randomness; [`Spans`] is where it goes. Nothing here knows who collects them.

mod context;

use std::borrow::Cow;

use crate::time::{Entropy, Timestamp};

pub use context::{InvalidTraceparent, SpanContext, SpanId, TraceId};

/// Work that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What was done, in words that many spans share.
    pub name: Cow<'static, str>,
    /// On which side of a request it stands.
    pub kind: SpanKind,
    /// Its own place.
    pub context: SpanContext,
    /// The span in the same trace that caused it; `None` when it begins the trace.
    pub parent: Option<SpanId>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was over.
    pub ended_at: Timestamp,
    /// What else is known. Nothing of it may be secret: no inputs, no tokens, no URLs of receivers.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// In what way it went wrong, if it did. A constant, so that it cannot quote anybody.
    pub error: Option<&'static str>,
}

/// On which side of a request a span stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// It answers a request.
    Server,
    /// It makes one.
    Client,
    /// Neither.
    Internal,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// Text.
    Text(String),
    /// A number.
    Integer(i64),
}

/// Where spans go when they are over. Recording one neither waits nor fails: when there is no room, it is lost.
pub trait Spans: Send + Sync + 'static {
    /// Whether anybody wants to see spans.
    fn is_on(&self) -> bool;

    /// Takes a span. Its context is sampled.
    fn record(&self, span: Span);

    /// The place of a span that is caused by `parent`; `None` when nobody wants to see it.
    fn child(&self, parent: SpanContext, entropy: &dyn Entropy) -> Option<SpanContext> {
        (self.is_on() && parent.is_sampled()).then(|| parent.child(entropy))
    }
}

/// Nobody wants to see spans.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSpans;

impl Spans for NoSpans {
    fn is_on(&self) -> bool {
        false
    }

    fn record(&self, _: Span) {}
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u16> for Attribute {
    fn from(number: u16) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u32> for Attribute {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xab);
        }
    }

    struct Wanted;

    impl Spans for Wanted {
        fn is_on(&self) -> bool {
            true
        }

        fn record(&self, _: Span) {}
    }

    #[test]
    fn only_what_somebody_wants_to_see_gets_a_place() {
        let parent = |flags| format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        let parent = |flags| parent(flags).parse::<SpanContext>().expect("it is well-formed");
        let child = Wanted.child(parent("01"), &Fixed).expect("it is sampled");
        assert_eq!(child.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-abababababababab-01");
        assert_eq!(Wanted.child(parent("00"), &Fixed), None);
        assert_eq!(NoSpans.child(parent("01"), &Fixed), None);
    }
}
