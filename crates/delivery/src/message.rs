//! A message as it goes out: its body and its headers.

use bytes::Bytes;
use cogwire_core::id::DeliveryId;
use cogwire_core::prediction::{Content, Ended, Prediction, State};
use cogwire_core::time::Timestamp;
use cogwire_core::trace::SpanContext;
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::webhook::signature::{Secret, signature_header};
use cogwire_core::wire::{Links, is_thin, message_body};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const EVENT: HeaderName = HeaderName::from_static("cogwire-event");
const SEQUENCE: HeaderName = HeaderName::from_static("cogwire-sequence");
const ATTEMPT: HeaderName = HeaderName::from_static("cogwire-attempt");
const RESENT: HeaderName = HeaderName::from_static("cogwire-resent");
const BODY: HeaderName = HeaderName::from_static("cogwire-body");
const METADATA: HeaderName = HeaderName::from_static("cogwire-metadata");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("cogwire/", env!("CARGO_PKG_VERSION")));

/// One message, for one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Its name, the same for every attempt.
    pub(crate) id: DeliveryId,
    /// What it is about.
    pub(crate) event: WebhookEvent,
    /// The number of the attempt, from 1.
    pub(crate) attempt: u32,
    /// Whether a person asked for it to be sent again.
    pub(crate) manual: bool,
    /// Its bytes, the same for every attempt.
    pub(crate) body: Bytes,
}

impl Message {
    /// The headers of an attempt that begins `now`, for a webhook with these options.
    pub(crate) fn headers(&self, secrets: &[Secret], options: &WebhookOptions, now: Timestamp) -> HeaderMap {
        let id = self.id.to_string();
        let signature = signature_header(secrets, &id, now.as_seconds(), &self.body);
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(USER_AGENT, AGENT);
        headers.insert(TIMESTAMP, now.as_seconds().into());
        headers.insert(ID, text(id));
        headers.insert(SIGNATURE, text(signature));
        headers.insert(EVENT, HeaderValue::from_static(self.event.as_str()));
        headers.insert(SEQUENCE, self.id.seq.into());
        headers.insert(ATTEMPT, self.attempt.into());
        if self.manual {
            headers.insert(RESENT, HeaderValue::from_static("true"));
        }
        // Only bodies that may be thin are looked into.
        if options.body.thin_above.is_some() && is_thin(&self.body) {
            headers.insert(BODY, HeaderValue::from_static("thin"));
        }
        headers
    }
}

/// Adds what the caller gave for the receiver, and the attempt's place in a trace.
pub(crate) fn pass_on(options: &WebhookOptions, span: Option<SpanContext>, headers: &mut HeaderMap) {
    let metadata = options.metadata.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    headers.extend(metadata.map(|metadata| (METADATA, metadata)));
    headers.extend(span.map(|span| (TRACEPARENT, text(span.to_string()))));
}

/// The body of an intermediate message, from the prediction as it is durable now.
///
/// It is always shown as processing. The prediction may have ended since the message became due, but this message comes
/// before the final one, and a receiver takes the first terminal status that it sees for the end.
pub(crate) fn intermediate_body(mut prediction: Prediction, event: WebhookEvent, links: &Links) -> Bytes {
    if let State::Ended(Ended { started_at: Some(started_at), .. }) = prediction.state {
        prediction.state = State::Processing { started_at };
        // They come with the end.
        prediction.content.metrics.retain(|name, _| !matches!(name.as_str(), "predict_time" | "total_time"));
    }
    if event == WebhookEvent::Start {
        prediction.content = Content::default();
    }
    message_body(&prediction, event, links).into()
}

fn text(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("ids, signatures and traces are printable ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn added(options: &WebhookOptions, span: Option<SpanContext>) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        pass_on(options, span, &mut headers);
        let shown = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        headers.iter().map(|(name, value)| (name.to_string(), shown(value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn without_options_nothing_is_added() {
        assert_eq!(added(&WebhookOptions::default(), None), []);
    }

    #[test]
    fn metadata_and_trace_are_passed_on() {
        let options = WebhookOptions { metadata: Some("order=7".to_owned()), ..WebhookOptions::default() };
        assert_eq!(added(&options, None), [pair("cogwire-metadata", "order=7")]);
        let span = TRACE.parse().expect("a trace");
        let both = [pair("cogwire-metadata", "order=7"), pair("traceparent", TRACE)];
        assert_eq!(added(&options, Some(span)), both);
    }
}
