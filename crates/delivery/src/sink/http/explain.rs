//! What came of an attempt, in a sentence that says what to do.
//!
//! The texts are for whoever runs the receiver: what was seen, then what helps. They show nothing of the request but where
//! it went.

mod advice;
mod untrusted;

use std::error::Error;
use std::io;
use std::time::Duration;

use http::{HeaderName, StatusCode, header};
use url::Url;

use super::failure::Failure;
use super::proxy::{Proxy, ProxyFailure};
use super::trace::{Connecting, Phase};
use crate::printable::printable;
use crate::sink::{Answer, Class, Seen};
use advice::advice;

/// The most characters of a `Location` header that are shown.
const MAX_LOCATION: usize = 500;

/// What the explanation of an attempt needs beside what was seen.
pub(super) struct Explanation<'a> {
    /// Where the request went.
    pub(super) url: &'a str,
    /// How long the attempt was allowed to take.
    pub(super) after: Duration,
    /// The most characters of a body that are quoted.
    pub(super) max_quote: usize,
}

impl Explanation<'_> {
    /// Puts the status of the answer, or why there is none, into words.
    pub(super) fn of(&self, result: Result<u16, Failure>, seen: Seen) -> Answer {
        match result {
            Ok(status) => self.answered(status, seen),
            Err(failure) => self.failed(&failure, seen),
        }
    }

    fn answered(&self, status: u16, seen: Seen) -> Answer {
        let (class, detail) = match status {
            200..=299 => (Class::Delivered, format!("answered {status} {}", Connecting(&seen))),
            300..=399 => (Class::Redirect, redirect(status, &seen)),
            _ => (Class::Status, self.refusal(status, &seen)),
        };
        let retry_after = header(&seen, header::RETRY_AFTER).map(str::to_owned);
        Answer { class, status: Some(status), detail, retry_after, seen }
    }

    fn refusal(&self, status: u16, seen: &Seen) -> String {
        let (named, advice) = (named(status), advice(status, &seen.request));
        let body = seen.response.as_ref().map(|response| response.body.as_slice()).unwrap_or_default();
        match printable(body, self.max_quote).trim() {
            "" => format!("answered {named}: {advice}"),
            quote => format!("answered {named}: {advice}; it said: {quote}"),
        }
    }

    fn failed(&self, failure: &Failure, mut seen: Seen) -> Answer {
        let place = Url::parse(self.url).map_or_else(|_| "the receiver".to_owned(), |url| place(&url));
        let (class, detail) = self.reason(failure, &place);
        let status = match failure {
            Failure::Timeout(Phase::Body(status)) => Some(*status),
            _ => None,
        };
        if let Some(response) = &mut seen.response {
            response.truncated = true;
        }
        Answer { class, status, detail, retry_after: None, seen }
    }

    fn reason(&self, failure: &Failure, place: &str) -> (Class, String) {
        match failure {
            Failure::Url(reason) => (Class::Blocked, format!("the webhook URL cannot be used: {reason}")),
            Failure::Blocked(blocked) => (Class::Blocked, blocked.to_string()),
            Failure::Dns(error) => (
                Class::Dns,
                format!(
                    "{place} was not resolved: {error}; check the URL's host name, and this server's DNS"
                ),
            ),
            Failure::NoAddress => {
                (Class::Dns, format!("the name of {place} stands for no address: check the URL's host name"))
            }
            Failure::Connect(error) => (Class::Connect, refused(place, error)),
            Failure::Proxy(proxy, failure) => proxied(place, proxy, failure),
            Failure::Tls(error) => (Class::Tls, untrusted::tls(place, error)),
            Failure::Exchange(error) => (Class::Protocol, self.broken(place, error)),
            Failure::Timeout(phase) => (Class::Timeout, late(place, *phase, self.after)),
        }
    }

    fn broken(&self, place: &str, error: &hyper::Error) -> String {
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        if error.is_parse_too_large() {
            return format!(
                "the head of what {place} answered is longer than 64 KiB or has more than 100 headers: let the receiver send \
                 fewer or shorter headers"
            );
        }
        if error.is_parse() {
            return format!(
                "what {place} answered is not HTTP ({cause}): check that the URL's scheme and port are right"
            );
        }
        if let Some(alert) = untrusted::alert(error) {
            return alert.explain(place);
        }
        let scheme =
            if self.url.starts_with("http:") { ", or write https if it speaks TLS there" } else { "" };
        format!(
            "{place} closed the connection before its answer was whole ({cause}): look into the receiver's logs for a \
             crash{scheme}"
        )
    }
}

fn redirect(status: u16, seen: &Seen) -> String {
    let named = named(status);
    match header(seen, header::LOCATION) {
        Some(location) => {
            let location = printable(location.as_bytes(), MAX_LOCATION);
            format!("answered {named} to {location}: update the URL; redirects are not followed")
        }
        None => format!("answered {named}: answer 2xx when the message was taken"),
    }
}

fn header(seen: &Seen, name: HeaderName) -> Option<&str> {
    seen.response.as_ref()?.headers.get(name)?.to_str().ok()
}

fn refused(place: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("nothing listens at {place}: start the receiver, or correct the port in the URL")
        }
        _ => format!("no connection to {place}: {error}; check that this server can reach it"),
    }
}

/// A proxy that refuses is a rule about addresses, too; one that cannot connect either is not.
fn proxied(place: &str, proxy: &Proxy, failure: &ProxyFailure) -> (Class, String) {
    match failure {
        ProxyFailure::Unreachable(error) => (
            Class::Connect,
            format!(
                "no connection to the proxy {proxy}: {error}; check --webhook-proxy, and that the proxy runs"
            ),
        ),
        ProxyFailure::Broken(error) => (
            Class::Connect,
            format!(
                "the proxy {proxy} opened no tunnel to {place}: {error}; check that --webhook-proxy is an HTTP proxy"
            ),
        ),
        ProxyFailure::Refused(407) => (
            Class::Blocked,
            format!(
                "the proxy {proxy} asks for a password: write it into --webhook-proxy, http://USER:PASSWORD@HOST:PORT"
            ),
        ),
        ProxyFailure::Refused(status @ 500..=599) => (
            Class::Connect,
            format!(
                "the proxy {proxy} has no connection to {place} ({}): check that it can reach it",
                named(*status)
            ),
        ),
        ProxyFailure::Refused(status) => (
            Class::Blocked,
            format!(
                "the proxy {proxy} does not let requests through to {place} ({}): change its rules",
                named(*status)
            ),
        ),
    }
}

fn late(place: &str, phase: Phase, after: Duration) -> String {
    let seconds = after.as_secs_f64();
    match phase {
        Phase::Dns => format!("{place} was not resolved within {seconds} s: check this server's DNS"),
        Phase::Connect => format!(
            "no connection to {place} within {seconds} s: check its firewall, and that this server can reach it"
        ),
        Phase::Tls => {
            format!("TLS with {place} was not set up within {seconds} s: check that the port speaks https")
        }
        Phase::Answer => {
            format!("no answer from {place} within {seconds} s: answer first and do the work afterwards")
        }
        Phase::Body(status) => format!(
            "{place} answered {status}, but its answer did not end within {seconds} s: end the response at once"
        ),
    }
}

fn named(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.map_or_else(|| status.to_string(), |reason| format!("{status} {reason}"))
}

fn place(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::sink::SeenResponse;

    const EXPLANATION: Explanation<'_> =
        Explanation { url: "https://example.com/x", after: Duration::from_secs(10), max_quote: 1024 };

    fn received(status: u16, headers: &[(HeaderName, &str)], body: &[u8]) -> Answer {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect();
        let response = SeenResponse { headers, body: body.to_vec(), truncated: false };
        EXPLANATION.of(Ok(status), Seen { response: Some(response), ..Seen::default() })
    }

    #[test]
    fn statuses_become_classes_and_advice() {
        let cases = [
            (200, Class::Delivered, "answered 200 on a kept connection"),
            (204, Class::Delivered, "answered 204"),
            (304, Class::Redirect, "answered 304 Not Modified: answer 2xx"),
            (400, Class::Status, "answered 400 Bad Request: answer 2xx"),
            (401, Class::Status, "webhook-signature"),
            (404, Class::Status, "nothing is at this path"),
            (410, Class::Status, "gone for good"),
            (413, Class::Status, "Cogwire-Webhook-Body: thin"),
            (415, Class::Status, "application/json"),
            (599, Class::Status, "answered 599: the receiver failed"),
        ];
        for (status, class, part) in cases {
            let answer = received(status, &[], b"");
            assert_eq!((answer.class, answer.status), (class, Some(status)));
            assert!(answer.detail.contains(part), "{status}: {}", answer.detail);
        }
    }

    #[test]
    fn a_receiver_that_cannot_inflate_is_told_apart() {
        let mut request = HeaderMap::new();
        request.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let answer = EXPLANATION.of(Ok(415), Seen { request, ..Seen::default() });
        assert!(answer.detail.contains("Cogwire-Webhook-Gzip: false"), "{}", answer.detail);
    }

    #[test]
    fn a_redirect_says_where_to() {
        let answer = received(301, &[(header::LOCATION, "https://example.com/new")], b"");
        assert_eq!(
            answer.detail,
            "answered 301 Moved Permanently to https://example.com/new: update the URL; redirects are not followed"
        );
    }

    #[test]
    fn quotes_hold_nothing_that_breaks_a_terminal_or_a_database() {
        let answer = received(500, &[(header::RETRY_AFTER, "7")], b"a\0b\x1b[31m\r\nc\xff");
        assert!(answer.detail.ends_with("it said: a\u{fffd}b\u{fffd}[31m\nc\u{fffd}"), "{:?}", answer.detail);
        assert_eq!(answer.retry_after.as_deref(), Some("7"));
    }

    #[test]
    fn a_timeout_names_what_was_waited_for() {
        let explain = |phase| EXPLANATION.of(Err(Failure::Timeout(phase)), Seen::default());
        assert!(explain(Phase::Dns).detail.starts_with("example.com:443 was not resolved within 10 s"));
        assert!(explain(Phase::Answer).detail.starts_with("no answer from example.com:443 within 10 s"));
        assert_eq!(explain(Phase::Body(200)).status, Some(200));
    }

    #[test]
    fn an_answer_that_broke_off_is_not_shown_as_whole() {
        let seen = Seen { response: Some(SeenResponse::default()), ..Seen::default() };
        let answer = EXPLANATION.of(Err(Failure::Timeout(Phase::Body(200))), seen);
        assert!(answer.seen.response.is_some_and(|response| response.truncated));
    }
}
