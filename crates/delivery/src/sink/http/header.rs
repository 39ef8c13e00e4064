//! Headers that the configuration adds to every request. Their values are secret.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::sink::{Answer, SeenResponse};

/// What stands for a secret.
const HIDDEN: &str = "(hidden)";

/// A shorter word of a value is no secret, such as `Bearer`, and would be found everywhere.
const SHORTEST_SECRET: usize = 7;

/// A header beside those that a message has. `Debug` does not show its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomHeader {
    name: HeaderName,
    value: HeaderValue,
}

/// The text is no header that may be added. It says nothing of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// It is not `Name: value`.
    #[error("a header is written \"Name: value\", with visible ASCII characters only")]
    Form,
    /// The name is one that a message has itself, or that belongs to the connection.
    #[error("the header {0} cannot be set: it is the message's own, or the connection's")]
    Reserved(HeaderName),
}

/// All of them, and what must not be shown because of them.
#[derive(Debug, Default)]
pub(super) struct CustomHeaders {
    headers: HeaderMap,
    secrets: Vec<String>,
}

/// The names of headers that are no business of the configuration, and the beginnings of others.
const RESERVED: [&str; 11] = [
    "connection",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "traceparent",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "proxy-connection",
];
const RESERVED_BEGINNINGS: [&str; 3] = ["content-", "cogwire-", "webhook-"];

impl FromStr for CustomHeader {
    type Err = InvalidHeader;

    fn from_str(text: &str) -> Result<Self, InvalidHeader> {
        let (name, value) = text.split_once(':').ok_or(InvalidHeader::Form)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| InvalidHeader::Form)?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| InvalidHeader::Form)?;
        let begins = |beginning: &&str| name.as_str().starts_with(beginning);
        if RESERVED.contains(&name.as_str()) || RESERVED_BEGINNINGS.iter().any(begins) {
            return Err(InvalidHeader::Reserved(name));
        }
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

impl CustomHeaders {
    pub(super) fn new(headers: &[CustomHeader]) -> Self {
        let words =
            headers.iter().filter_map(|header| header.value.to_str().ok()).flat_map(str::split_whitespace);
        Self {
            secrets: words.filter(|word| word.len() >= SHORTEST_SECRET).map(str::to_owned).collect(),
            headers: headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect(),
        }
    }

    /// Adds them to the headers of a request.
    pub(super) fn add_to(&self, request: &mut HeaderMap) {
        for (name, value) in &self.headers {
            request.append(name.clone(), value.clone());
        }
    }

    /// Hides their values in an answer: some receivers send back what they were sent.
    pub(super) fn hide_in(&self, answer: &mut Answer) {
        if self.secrets.is_empty() {
            return;
        }
        answer.detail = self.hidden(&answer.detail);
        if let Some(response) = &mut answer.seen.response {
            self.hide_in_response(response);
        }
    }

    fn hide_in_response(&self, response: &mut SeenResponse) {
        for value in response.headers.values_mut() {
            let text = String::from_utf8_lossy(value.as_bytes());
            let shows = self.secrets.iter().any(|secret| text.contains(secret));
            value.set_sensitive(shows);
        }
        let mut body = self.hidden(&String::from_utf8_lossy(&response.body)).into_bytes();
        if response.truncated {
            // The bound may have cut a secret in two.
            let longest = self.secrets.iter().map(String::len).max().unwrap_or_default();
            body.truncate(body.len().saturating_sub(longest));
        }
        response.body = body;
    }

    fn hidden(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Class, Seen};

    #[test]
    fn headers_are_read_and_do_not_show_their_values() {
        let header: CustomHeader = "Authorization:  Bearer abc:def ".parse().expect("a header");
        assert_eq!(
            (header.name.as_str(), header.value.as_bytes()),
            ("authorization", &b"Bearer abc:def"[..])
        );
        assert!(!format!("{header:?}").contains("abc"), "{header:?}");
    }

    #[test]
    fn what_is_no_header_or_not_ones_to_set_is_refused() {
        for text in ["", "x", ": x", "a b: c", "x: a\nb", "x: \u{e9}\u{0}"] {
            assert_eq!(text.parse::<CustomHeader>(), Err(InvalidHeader::Form), "for {text:?}");
        }
        for name in
            ["Host", "content-length", "Content-Type", "Webhook-Signature", "cogwire-event", "Connection"]
        {
            let refused = format!("{name}: secret").parse::<CustomHeader>();
            assert!(matches!(refused, Err(InvalidHeader::Reserved(_))), "for {name}");
        }
    }

    #[test]
    fn what_a_receiver_sends_back_is_hidden() {
        let headers =
            ["authorization: Bearer secret-1", "x-team: a"].map(|text| text.parse().expect("a header"));
        let custom = CustomHeaders::new(&headers);
        let mut response =
            SeenResponse { body: b"got secret-1, a, and Bearer sec".to_vec(), ..Default::default() };
        response.headers.insert("x-echo", HeaderValue::from_static("<secret-1>"));
        response.headers.insert("x-other", HeaderValue::from_static("a"));
        response.truncated = true;
        let mut answer = Answer {
            class: Class::Status,
            status: Some(500),
            detail: "it said: secret-1".to_owned(),
            retry_after: None,
            seen: Seen { response: Some(response), ..Seen::default() },
        };
        custom.hide_in(&mut answer);
        assert_eq!(answer.detail, "it said: (hidden)");
        let response = answer.seen.response.expect("it was there");
        assert_eq!(String::from_utf8_lossy(&response.body), "got (hidden), a, and Be");
        assert!(response.headers["x-echo"].is_sensitive() && !response.headers["x-other"].is_sensitive());
    }
}
