//! What headers of a create ask of its webhook, beyond Replicate's fields.

use axum::http::HeaderMap;
use cogwire_core::webhook::options::{
    BodyRule, WebhookOptions, parse_body, parse_gzip, parse_log_tail, parse_metadata,
};
use cogwire_core::wire::ErrorBody;

use super::field::{Header, refuse_unknown};
use crate::api::trace::traceparent;

/// The shape of bodies. It is no option of [`read`], but one of the headers that there are.
pub(super) static PAYLOAD: Header = Header::new("cogwire-webhook-payload", "event");
static SCHEDULE: Header = Header::new("cogwire-webhook-schedule", "5s, 1m, 1h");
static BODY: Header = Header::new("cogwire-webhook-body", "thin-above=262144");
static LOG_TAIL: Header = Header::new("cogwire-webhook-log-tail", "65536");
static GZIP: Header = Header::new("cogwire-webhook-gzip", "true");
static METADATA: Header = Header::new("cogwire-metadata", "order=7");
static ALL: [&Header; 6] = [&PAYLOAD, &SCHEDULE, &BODY, &LOG_TAIL, &GZIP, &METADATA];

/// Reads the headers; what none of them says is as in `defaults`.
///
/// # Errors
/// 422 that names the header, says what is wrong with its value, and shows one that would do; or what was probably meant by
/// one that there is not. A `traceparent` is never an error: it is not the caller's doing, but that of what traces it.
pub(super) fn read(headers: &HeaderMap, defaults: &WebhookOptions) -> Result<WebhookOptions, ErrorBody> {
    refuse_unknown(headers, &ALL)?;
    let body = BodyRule {
        thin_above: BODY.read(headers, parse_body)?.unwrap_or(defaults.body.thin_above),
        log_tail: LOG_TAIL.read(headers, parse_log_tail)?.unwrap_or(defaults.body.log_tail),
    };
    Ok(WebhookOptions {
        schedule: SCHEDULE.read(headers, str::parse)?.or_else(|| defaults.schedule.clone()),
        body,
        gzip: GZIP.read(headers, parse_gzip)?.unwrap_or(defaults.gzip),
        metadata: METADATA.read(headers, parse_metadata)?.or_else(|| defaults.metadata.clone()),
        traceparent: traceparent(headers).or(defaults.traceparent),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
        };
        all.iter().map(pair).collect()
    }

    fn defaults() -> WebhookOptions {
        let body = BodyRule { thin_above: Some(1), log_tail: Some(2) };
        WebhookOptions { body, gzip: true, ..WebhookOptions::default() }
    }

    #[test]
    fn every_header_is_read_and_wins_over_the_settings() {
        let asked = headers(&[
            ("cogwire-webhook-schedule", "5s,1m"),
            ("cogwire-webhook-body", "full"),
            ("cogwire-webhook-log-tail", "all"),
            ("cogwire-webhook-gzip", "false"),
            ("cogwire-metadata", r#"{"order": 7}"#),
            ("traceparent", TRACE),
        ]);
        let expected = WebhookOptions {
            schedule: Some("5s,1m".parse().expect("a schedule")),
            body: BodyRule::default(),
            gzip: false,
            metadata: Some(r#"{"order": 7}"#.to_owned()),
            traceparent: Some(TRACE.parse().expect("a trace")),
        };
        assert_eq!(read(&asked, &defaults()), Ok(expected));
        assert_eq!(read(&HeaderMap::new(), &defaults()), Ok(defaults()));
    }

    #[test]
    fn examples_are_valid() {
        for header in [&SCHEDULE, &BODY, &LOG_TAIL, &GZIP, &METADATA] {
            let example =
                HeaderMap::from_iter([(header.name.clone(), HeaderValue::from_static(header.example))]);
            let asked = read(&example, &WebhookOptions::default()).expect(header.example);
            assert_ne!(asked, WebhookOptions::default());
        }
    }

    #[test]
    fn what_cannot_be_understood_is_explained() {
        let long = "m".repeat(1025);
        let refused = [
            ("cogwire-webhook-schedule", "fast"),
            ("cogwire-webhook-schedule", ""),
            ("cogwire-webhook-schedule", "5s, 31d"),
            ("cogwire-webhook-body", "small"),
            ("cogwire-webhook-body", "thin-above=1TB"),
            ("cogwire-webhook-log-tail", "-1"),
            ("cogwire-webhook-gzip", "yes"),
            ("cogwire-metadata", ""),
            ("cogwire-metadata", &long),
            ("cogwire-metadata", "caf\u{e9}"),
        ];
        let details = refused.map(|(name, value)| {
            let error = read(&headers(&[(name, value)]), &WebhookOptions::default()).expect_err(value);
            assert_eq!((error.status, error.title), (422, Some("Invalid header")));
            error.detail
        });
        insta::assert_snapshot!(details.join("\n"));
    }

    #[test]
    fn a_header_that_is_there_twice_is_refused() {
        let twice = headers(&[("cogwire-webhook-schedule", "5s"), ("cogwire-webhook-schedule", "1m")]);
        let error = read(&twice, &WebhookOptions::default()).expect_err("which one?");
        assert!(error.detail.contains("more than once"), "{}", error.detail);
    }

    #[test]
    fn a_misspelled_header_is_refused_and_the_right_one_is_named() {
        let names = [
            "cogwire-webhook-shedule",
            "cogwire-webhook-log_tail",
            "cogwire-webhook-payloads",
            "cogwire-webhook-metadata",
            "cogwire-webhook-colour",
            "cogwire-webhook-",
        ];
        let details = names.map(|name| {
            let error = read(&headers(&[(name, "5s")]), &WebhookOptions::default()).expect_err(name);
            assert_eq!((error.status, error.title), (422, Some("Invalid header")));
            error.detail
        });
        insta::assert_snapshot!(details.join("\n"));
        let others = headers(&[("cogwire-trace", "1"), ("webhook-id", "msg_1_1")]);
        assert_eq!(
            read(&others, &defaults()),
            Ok(defaults()),
            "what is not about webhooks is not ours to judge"
        );
    }

    proptest! {
        #[test]
        fn no_value_panics(value in prop::collection::vec(any::<u8>(), 0..80)) {
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            for Header { name, .. } in [&SCHEDULE, &BODY, &LOG_TAIL, &GZIP, &METADATA] {
                let all = HeaderMap::from_iter([(name.clone(), value.clone())]);
                if let Err(error) = read(&all, &WebhookOptions::default()) {
                    prop_assert_eq!(error.status, 422);
                    prop_assert!(error.detail.contains(name.as_str()), "{}", error.detail);
                }
            }
        }
    }
}
