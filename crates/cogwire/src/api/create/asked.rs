//! What the headers of a create ask for.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use cogwire_core::webhook::event::PayloadShape;
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::wire::{ErrorBody, Mask, Wait, parse_cancel_after};

use super::field::{invalid_header, text};
use super::options;
use crate::api::{ApiConfig, caller};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const CANCEL_AFTER: HeaderName = HeaderName::from_static("cancel-after");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest `Idempotency-Key`, in bytes.
const MAX_KEY: usize = 255;

/// The headers of a create, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Hold the answer.
    pub(super) wait: Option<Wait>,
    /// The prediction's longest life.
    pub(super) cancel_after: Option<Duration>,
    /// Create at most once under this key.
    pub(super) idempotency_key: Option<String>,
    /// What webhooks look like.
    pub(super) payload: PayloadShape,
    /// What else is wanted of them.
    pub(super) options: WebhookOptions,
    /// What this client must not see.
    pub(super) mask: Mask,
}

impl Asked {
    /// Reads the headers; 422 when one that matters cannot be understood.
    pub(super) fn read(headers: &HeaderMap, config: &ApiConfig) -> Result<Self, ErrorBody> {
        let cancel_after = text(headers, &CANCEL_AFTER)?.map(parse_cancel_after).transpose();
        let prefer = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        Ok(Self {
            wait: Wait::find(prefer),
            cancel_after: cancel_after.map_err(|error| invalid_header(error.to_string()))?,
            idempotency_key: text(headers, &IDEMPOTENCY_KEY)?.map(idempotency_key).transpose()?,
            payload: options::PAYLOAD.read(headers, payload)?.unwrap_or(config.webhook_payload),
            options: options::read(headers, &config.webhook_options)?,
            mask: caller::mask(headers),
        })
    }
}

fn idempotency_key(text: &str) -> Result<String, ErrorBody> {
    let valid = (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let detail = || format!("An Idempotency-Key has 1 to {MAX_KEY} visible ASCII characters, and no spaces");
    if valid { Ok(text.to_owned()) } else { Err(invalid_header(detail())) }
}

fn payload(text: &str) -> Result<PayloadShape, String> {
    text.parse().map_err(|_| format!("{text:?} is neither prediction nor event"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(headers: &[(&'static str, &str)]) -> Result<Asked, ErrorBody> {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        };
        Asked::read(&headers.iter().map(pair).collect(), &ApiConfig::default())
    }

    #[test]
    fn without_headers_nothing_is_asked_for() {
        let asked = read(&[("prefer", "respond-async, wait=x")]).expect("valid");
        assert_eq!((asked.wait, asked.cancel_after, asked.idempotency_key), (None, None, None));
        assert_eq!((asked.payload, asked.mask), (PayloadShape::Prediction, Mask::None));
        assert_eq!(asked.options, WebhookOptions::default());
    }

    #[test]
    fn every_header_is_read() {
        let asked = read(&[
            ("prefer", "wait=5"),
            ("cancel-after", "1m"),
            ("idempotency-key", "order-7"),
            ("cogwire-webhook-payload", "event"),
        ])
        .expect("valid");
        assert_eq!(asked.wait.expect("a wait").applied(), "wait=5");
        assert_eq!(asked.cancel_after, Some(Duration::from_secs(60)));
        assert_eq!(asked.idempotency_key.as_deref(), Some("order-7"));
        assert_eq!(asked.payload, PayloadShape::Event);
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        let long = "k".repeat(256);
        for (name, value) in [
            ("cancel-after", "soon"),
            ("cancel-after", "4"),
            ("idempotency-key", ""),
            ("idempotency-key", "a b"),
            ("idempotency-key", long.as_str()),
            ("cogwire-webhook-payload", "envelope"),
        ] {
            let error = read(&[(name, value)]).expect_err(name);
            assert_eq!(error.status, 422, "for {name}: {value}");
        }
        let twice = [("cogwire-webhook-payload", "event"), ("cogwire-webhook-payload", "prediction")];
        let error = read(&twice).expect_err("which one?");
        assert!(error.detail.contains("more than once; for example"), "{}", error.detail);
    }
}
