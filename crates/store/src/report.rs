//! What is kept of an attempt for people who look for the reason: what was sent, what came back, and how long each part took.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An attempt in detail. Nothing in it is a secret: whoever makes it leaves those out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttemptReport {
    /// The address that was connected to, with its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Microseconds that resolving the name took; `None` when it was not resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u64>,
    /// Microseconds until there was a connection; `None` when a kept one was used, or there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// Microseconds for setting up TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u64>,
    /// Microseconds from the request to the head of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u64>,
    /// The headers of the request, as they were sent; none when it was not sent.
    #[serde(skip_serializing_if = "HeaderLines::is_empty")]
    pub request_headers: HeaderLines,
    /// The answer, when there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseReport>,
}

/// An answer as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseReport {
    /// Its headers.
    pub headers: HeaderLines,
    /// The beginning of its body; what is no text is replaced.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Whether that is not known to be all of the body.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Headers in one text, because there is one for each attempt: `name: value` on a line each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeaderLines(String);

impl HeaderLines {
    /// No headers yet, with room for this many bytes of text.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// Adds a header. A line end in the value becomes a space.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.extend([name, ": "]);
        self.0.extend(value.chars().map(|c| if c == '\n' { ' ' } else { c }));
        self.0.push('\n');
    }

    /// Each name with its value, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.lines().filter_map(|line| line.split_once(": "))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AttemptReport {
    /// The stored form: compact JSON, in which no character is NUL.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }
}

/// Reads the stored form.
impl FromStr for AttemptReport {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_holds_what_there_is_and_nothing_else() {
        let mut headers = HeaderLines::with_capacity(0);
        headers.push("retry-after", "7");
        headers.push("x-empty", "");
        headers.push("x-colons", "a: b\nc: d");
        let expected = [("retry-after", "7"), ("x-empty", ""), ("x-colons", "a: b c: d")];
        assert!(headers.iter().eq(expected));

        let response = ResponseReport { headers, body: "a\0b".to_owned(), truncated: false };
        let report = AttemptReport { dns_us: Some(7), response: Some(response), ..AttemptReport::default() };
        let text = report.to_text();
        assert_eq!(
            text,
            r#"{"dns_us":7,"response":{"headers":"retry-after: 7\nx-empty: \nx-colons: a: b c: d\n","body":"a\u0000b"}}"#
        );
        assert_eq!(text.parse::<AttemptReport>().expect("its own text"), report);
        assert_eq!(AttemptReport::default().to_text(), "{}");
        assert!(r#"{"dns_us":-1}"#.parse::<AttemptReport>().is_err());
    }
}
