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
    /// The headers of the request, as they were sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<(String, String)>,
    /// The answer, when there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseReport>,
}

/// An answer as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseReport {
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// The beginning of its body; what is no text is replaced.
    pub body: String,
    /// Whether there was more of the body.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
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
