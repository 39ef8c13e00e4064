//! A message as it goes out: its body and its headers.

use bytes::Bytes;
use cogwire_core::id::DeliveryId;
use cogwire_core::prediction::{Content, Ended, Prediction, State};
use cogwire_core::time::Timestamp;
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
        let mut headers = HeaderMap::with_capacity(12);
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
