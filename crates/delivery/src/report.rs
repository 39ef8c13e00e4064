//! What is kept of an attempt for people: what was seen on the wire, as text, without its secrets.

use std::time::Duration;

use cogwire_store::delivery::{AttemptReport, HeaderLines, ResponseReport};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::printable::printable;
use crate::sink::{Seen, SeenResponse};

/// What stands for a secret.
const HIDDEN: &str = "(hidden)";

/// Room for the headers of a usual message or answer.
const USUAL_HEAD: usize = 384;

/// The report of an attempt; `None` when nothing happened on the wire, as for an address that is not allowed.
pub(crate) fn report(seen: &Seen) -> Option<AttemptReport> {
    if *seen == Seen::default() {
        return None;
    }
    Some(AttemptReport {
        peer: seen.peer.map(|peer| peer.to_string()),
        dns_us: seen.dns.map(micros),
        connect_us: seen.connect.map(micros),
        tls_us: seen.tls.map(micros),
        first_byte_us: seen.first_byte.map(micros),
        request_headers: lines(&seen.request),
        response: seen.response.as_ref().map(response),
    })
}

fn response(seen: &SeenResponse) -> ResponseReport {
    ResponseReport {
        headers: lines(&seen.headers),
        body: printable(&seen.body, usize::MAX),
        truncated: seen.truncated,
    }
}

fn lines(headers: &HeaderMap) -> HeaderLines {
    if headers.is_empty() {
        return HeaderLines::default();
    }
    let mut lines = HeaderLines::with_capacity(USUAL_HEAD);
    headers.iter().for_each(|(name, value)| push(&mut lines, name, value));
    lines
}

/// A cookie opens something, and explains nothing.
fn push(lines: &mut HeaderLines, name: &HeaderName, value: &HeaderValue) {
    match value.to_str() {
        _ if value.is_sensitive() || name == header::SET_COOKIE => lines.push(name.as_str(), HIDDEN),
        Ok(text) => lines.push(name.as_str(), text),
        Err(_) => lines.push(name.as_str(), &printable(value.as_bytes(), usize::MAX)),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_the_wire_is_no_report() {
        assert_eq!(report(&Seen::default()), None);
    }

    #[test]
    fn secrets_are_hidden_and_the_rest_is_shown_as_text() {
        let mut request = HeaderMap::new();
        request.insert("x-plain", HeaderValue::from_static("shown"));
        let mut secret = HeaderValue::from_static("Bearer abc");
        secret.set_sensitive(true);
        request.insert("authorization", secret);
        let mut headers = HeaderMap::new();
        headers.append(header::SET_COOKIE, HeaderValue::from_static("session=1"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("session=2"));
        headers.insert("x-latin", HeaderValue::from_bytes(b"caf\xe9").expect("a value"));
        let response = SeenResponse { headers, body: b"a\0\xff".to_vec(), truncated: true };
        let seen = Seen { request, response: Some(response), ..Seen::default() };

        let report = report(&seen).expect("something was sent");
        let shown: Vec<_> = report.request_headers.iter().collect();
        assert_eq!(shown, [("x-plain", "shown"), ("authorization", "(hidden)")]);
        let response = report.response.expect("there was an answer");
        let shown: Vec<_> = response.headers.iter().collect();
        assert_eq!(
            shown,
            [("set-cookie", "(hidden)"), ("set-cookie", "(hidden)"), ("x-latin", "caf\u{fffd}")]
        );
        assert_eq!((response.body.as_str(), response.truncated), ("a\u{fffd}\u{fffd}", true));
    }
}
