//! What came of an attempt, in a sentence that says what to do.
//!
//! The texts are for whoever runs the receiver: what was seen, then what helps. They show nothing of the request but where
//! it went.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode, header};
use url::Url;

use super::Answer;
use super::failure::Failure;
use super::trace::{Connecting, Phase};
use crate::sink::Class;

/// The most characters of a `Location` header that are shown.
const MAX_LOCATION: usize = 500;

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The beginning of the body; empty for 2xx.
    pub(super) quote: Vec<u8>,
    pub(super) connecting: Connecting,
}

impl Received {
    pub(super) fn explain(self) -> Answer {
        let (class, detail) = match self.status {
            200..=299 => (Class::Delivered, format!("answered {} {}", self.status, self.connecting)),
            300..=399 => (Class::Redirect, self.redirect()),
            _ => (Class::Status, self.refusal()),
        };
        let retry_after = self.header(header::RETRY_AFTER).map(str::to_owned);
        Answer { class, status: Some(self.status), detail, retry_after }
    }

    fn redirect(&self) -> String {
        let status = named(self.status);
        match self.header(header::LOCATION) {
            Some(location) => {
                let location = printable(location.as_bytes(), MAX_LOCATION);
                format!("answered {status} to {location}: update the URL; redirects are not followed")
            }
            None => format!("answered {status}: answer 2xx when the message was taken"),
        }
    }

    fn refusal(&self) -> String {
        let (status, advice) = (named(self.status), advice(self.status));
        match printable(&self.quote, self.quote.len()).trim() {
            "" => format!("answered {status}: {advice}"),
            quote => format!("answered {status}: {advice}; it said: {quote}"),
        }
    }

    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Puts a failure into words. `after` is how long the attempt was allowed to take.
pub(super) fn explain(failure: &Failure, url: &str, after: Duration) -> Answer {
    let place = Url::parse(url).map_or_else(|_| "the receiver".to_owned(), |url| place(&url));
    let (class, detail) = match failure {
        Failure::Url(reason) => (Class::Blocked, format!("the webhook URL cannot be used: {reason}")),
        Failure::Blocked(blocked) => (Class::Blocked, blocked.to_string()),
        Failure::Dns(error) => (
            Class::Dns,
            format!("{place} was not resolved: {error}; check the URL's host name, and this server's DNS"),
        ),
        Failure::NoAddress => {
            (Class::Dns, format!("the name of {place} stands for no address: check the URL's host name"))
        }
        Failure::Connect(error) => (Class::Connect, refused(&place, error)),
        Failure::Tls(error) => (Class::Tls, untrusted(&place, error)),
        Failure::Exchange(error) => (Class::Protocol, broken(&place, error)),
        Failure::Timeout(phase) => (Class::Timeout, late(&place, *phase, after)),
    };
    let status = match failure {
        Failure::Timeout(Phase::Body(status)) => Some(*status),
        _ => None,
    };
    Answer { class, status, detail, retry_after: None }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => {
            "the receiver must let these requests in; let it check the webhook-signature header instead of a login"
        }
        404 => "nothing is at this path; correct the URL, or add the route",
        405 => "the receiver must accept POST at this path",
        408 | 504 => "the receiver was too slow for its own proxy; answer first and do the work afterwards",
        410 => "the receiver says that it is gone for good; stop using this URL",
        413 => {
            "the body is too large for the receiver; raise its limit, or make the model return files instead of data"
        }
        429 => "the receiver limits its rate; let it take more requests, or answer 2xx and queue them",
        500..=599 => "the receiver failed; look into its logs",
        _ => "answer 2xx when the message was taken",
    }
}

fn refused(place: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("nothing listens at {place}: start the receiver, or correct the port in the URL")
        }
        _ => format!("no connection to {place}: {error}; check that this server can reach it"),
    }
}

fn untrusted(place: &str, error: &io::Error) -> String {
    let certificate = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match certificate {
        Some(rustls::Error::InvalidCertificate(reason)) => format!(
            "the certificate of {place} is not trusted: {reason}; send the whole chain, or give this server the issuer's \
             certificate by SSL_CERT_FILE"
        ),
        _ => {
            format!("TLS with {place} failed: {error}; check that the port speaks https, with TLS 1.2 or 1.3")
        }
    }
}

fn broken(place: &str, error: &hyper::Error) -> String {
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if error.is_parse() {
        return format!(
            "what {place} answered is not HTTP ({cause}): check that the URL's scheme and port are right"
        );
    }
    format!(
        "{place} closed the connection before its answer was whole ({cause}): look into the receiver's logs for a crash"
    )
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

/// Text that a terminal, a page and a database column can hold.
fn printable(bytes: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().filter(|c| *c != '\r').take(limit).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(status: u16, headers: &[(HeaderName, &str)], quote: &[u8]) -> Answer {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect();
        Received { status, headers, quote: quote.to_vec(), connecting: Connecting::default() }.explain()
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
            (413, Class::Status, "raise its limit"),
            (599, Class::Status, "answered 599: the receiver failed"),
        ];
        for (status, class, part) in cases {
            let answer = received(status, &[], b"");
            assert_eq!((answer.class, answer.status), (class, Some(status)));
            assert!(answer.detail.contains(part), "{status}: {}", answer.detail);
        }
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
        let text =
            |phase| explain(&Failure::Timeout(phase), "https://example.com/x", Duration::from_secs(10));
        assert!(text(Phase::Dns).detail.starts_with("example.com:443 was not resolved within 10 s"));
        assert!(text(Phase::Answer).detail.starts_with("no answer from example.com:443 within 10 s"));
        assert_eq!(text(Phase::Body(200)).status, Some(200));
    }
}
