//! What a caller may ask for one prediction's webhook beyond Replicate's fields.

mod text;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use crate::trace::SpanContext;
pub use text::{InvalidOption, MAX_METADATA, parse_body, parse_gzip, parse_log_tail, parse_metadata};

/// The wishes for one webhook. Without any, messages are as Replicate sends them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookOptions {
    /// When failed deliveries are tried again; `None` leaves it to the server's setting at the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How long bodies may be.
    #[serde(skip_serializing_if = "BodyRule::is_default")]
    pub body: BodyRule,
    /// Whether bodies are sent compressed by gzip.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gzip: bool,
    /// Text of the caller that every message carries in a header, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// The span that caused the prediction, so that the messages belong to its trace. It is here as well as in the request,
    /// because messages are sent without a look at that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<SpanContext>,
}

/// How long the body of a message may be, and what happens to a longer one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BodyRule {
    /// The most bytes of a whole body, the envelope included; a longer one is sent thin: its id, status and URLs. `Some(0)`
    /// makes every body thin, `None` none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thin_above: Option<u64>,
    /// The most bytes of logs that a body shows: their end, below a line that says what is missing. `None` shows all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_tail: Option<u64>,
}

impl BodyRule {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl WebhookOptions {
    /// The stored form; `None` when nothing is asked for.
    pub fn to_text(&self) -> Option<String> {
        let text = || serde_json::to_string(self).expect("the keys are strings, and nothing else can fail");
        (*self != Self::default()).then(text)
    }
}

/// Reads the stored form.
impl FromStr for WebhookOptions {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_holds_what_was_asked_for_and_nothing_else() {
        let asked = WebhookOptions {
            schedule: Some("5s, 1m".parse().expect("a schedule")),
            body: BodyRule { thin_above: Some(0), log_tail: None },
            gzip: true,
            metadata: Some("order=7".to_owned()),
            traceparent: None,
        };
        let text = asked.to_text().expect("something was asked for");
        assert_eq!(text, r#"{"schedule":"5s,60s","body":{"thin_above":0},"gzip":true,"metadata":"order=7"}"#);
        assert_eq!(text.parse::<WebhookOptions>().expect("its own text"), asked);
        assert_eq!(WebhookOptions::default().to_text(), None);
        assert!(r#"{"schedule":"soon"}"#.parse::<WebhookOptions>().is_err());
        let traced = r#"{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}"#;
        let read = traced.parse::<WebhookOptions>().expect("a trace");
        assert_eq!(read.to_text().as_deref(), Some(traced));
    }
}
