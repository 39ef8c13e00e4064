//! What was on the wire during an attempt, in JSON.

use std::collections::BTreeMap;

use cogwire_store::delivery::{AttemptReport, HeaderLines};
use serde::Serialize;

/// How long each part took, in milliseconds; null for a part that there was not.
#[derive(Debug, Serialize)]
pub(super) struct TimingsView {
    connect_ms: Option<f64>,
    dns_ms: Option<f64>,
    first_byte_ms: Option<f64>,
    tls_ms: Option<f64>,
}

/// A request as it was sent.
#[derive(Debug, Serialize)]
pub(super) struct RequestView {
    headers: BTreeMap<String, String>,
}

/// An answer as it came.
#[derive(Debug, Serialize)]
pub(super) struct ResponseView {
    body: String,
    headers: BTreeMap<String, String>,
    truncated: bool,
}

impl TimingsView {
    pub(super) fn new(report: &AttemptReport) -> Self {
        Self {
            connect_ms: report.connect_us.map(millis),
            dns_ms: report.dns_us.map(millis),
            first_byte_ms: report.first_byte_us.map(millis),
            tls_ms: report.tls_us.map(millis),
        }
    }
}

impl RequestView {
    /// `None` when nothing was sent.
    pub(super) fn new(report: &AttemptReport) -> Option<Self> {
        let headers = &report.request_headers;
        (!headers.is_empty()).then(|| Self { headers: joined(headers) })
    }
}

impl ResponseView {
    /// `None` when nothing came.
    pub(super) fn new(report: &AttemptReport) -> Option<Self> {
        report.response.as_ref().map(|response| Self {
            body: response.body.clone(),
            headers: joined(&response.headers),
            truncated: response.truncated,
        })
    }
}

/// One value for each name, as HTTP allows it.
fn joined(headers: &HeaderLines) -> BTreeMap<String, String> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in headers.iter() {
        let there = joined.entry(name.to_owned()).or_default();
        if !there.is_empty() {
            there.push_str(", ");
        }
        there.push_str(value);
    }
    joined
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_one_name_are_joined() {
        let mut lines = HeaderLines::default();
        for (name, value) in [("b", "1"), ("a", "x"), ("b", "2")] {
            lines.push(name, value);
        }
        let expected = [("a", "x"), ("b", "1, 2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(joined(&lines), BTreeMap::from(expected));
    }
}
