//! A message as it goes out: its body and its headers.

use bytes::Bytes;
use cogwire_core::id::DeliveryId;
use cogwire_core::prediction::{Content, Ended, Prediction, State};
use cogwire_core::time::{Entropy, Timestamp};
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

/// Adds what the caller gave for the receiver. The attempt is a span of its own in the caller's trace.
pub(crate) fn pass_on(options: &WebhookOptions, entropy: &dyn Entropy, headers: &mut HeaderMap) {
    let metadata = options.metadata.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    headers.extend(metadata.map(|metadata| (METADATA, metadata)));
    let parent = options.traceparent.as_deref().and_then(|caller| traceparent(caller, entropy));
    headers.extend(parent.map(|parent| (TRACEPARENT, text(parent))));
}

/// A `traceparent` of the caller's trace with a span that nobody had before.
fn traceparent(caller: &str, entropy: &dyn Entropy) -> Option<String> {
    let mut parts = caller.split('-');
    let (version, trace, _, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // All zeros would mean that there is none.
    let span = match entropy.bits() as u64 {
        0 => u64::MAX,
        span => span,
    };
    let parent = format!("{version}-{trace}-{span:016x}-{flags}");
    parent.bytes().all(|byte| byte.is_ascii_graphic()).then_some(parent)
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
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("ids and signatures are printable ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up from 0.
    #[derive(Default)]
    struct Counter(std::sync::atomic::AtomicU64);

    impl Entropy for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_le_bytes();
            bytes.iter_mut().zip(next).for_each(|(byte, value)| *byte = value);
        }
    }

    fn added(options: &WebhookOptions, entropy: &dyn Entropy) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        pass_on(options, entropy, &mut headers);
        let shown = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        headers.iter().map(|(name, value)| (name.to_string(), shown(value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn without_options_nothing_is_added() {
        assert_eq!(added(&WebhookOptions::default(), &Counter::default()), []);
    }

    #[test]
    fn each_attempt_is_a_span_of_the_callers_trace() {
        let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned();
        let options = WebhookOptions { traceparent: Some(caller), ..WebhookOptions::default() };
        let entropy = Counter::default();
        for span in ["ffffffffffffffff", "0000000000000001", "0000000000000002"] {
            let expected = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{span}-01");
            assert_eq!(added(&options, &entropy), [pair("traceparent", &expected)]);
        }
        for stored in ["", "00-1-2", "00-\u{e9}-2-3", "a-b\n-c-d"] {
            let options = WebhookOptions { traceparent: Some(stored.to_owned()), ..options.clone() };
            assert_eq!(added(&options, &entropy), [], "for {stored:?}");
        }
    }

    #[test]
    fn metadata_is_passed_on() {
        let options = WebhookOptions { metadata: Some("order=7".to_owned()), ..WebhookOptions::default() };
        assert_eq!(added(&options, &Counter::default()), [pair("cogwire-metadata", "order=7")]);
    }
}
