//! Deliveries and attempts in JSON.

use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::pacing::Lane;
use cogwire_store::delivery::{Attempt, Delivery};
use serde::Serialize;

use super::explain;
use super::report::{RequestView, ResponseView, TimingsView};

/// All messages of one prediction.
#[derive(Debug, Serialize)]
pub(super) struct PredictionDeliveries {
    pub(super) explanation: Vec<String>,
    pub(super) owed: Vec<&'static str>,
    pub(super) results: Vec<DeliveryView>,
}

/// A page of messages.
#[derive(Debug, Serialize)]
pub(super) struct DeliveryPage {
    pub(super) next: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) results: Vec<DeliveryView>,
}

/// One message.
#[derive(Debug, Serialize)]
pub(super) struct DeliveryView {
    attempts: u32,
    body_sha256: String,
    created_at: String,
    event: &'static str,
    explanation: Vec<String>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Vec<AttemptView>>,
    next_attempt_at: Option<String>,
    prediction: String,
    sequence: u32,
    size: u64,
    state: &'static str,
    superseded: u32,
    url: String,
}

/// One request.
#[derive(Debug, Serialize)]
struct AttemptView {
    class: String,
    detail: String,
    duration_ms: f64,
    manual: bool,
    number: u32,
    peer: Option<String>,
    request: Option<RequestView>,
    response: Option<ResponseView>,
    started_at: String,
    status: Option<u16>,
    timings: Option<TimingsView>,
}

/// The events that wait to be sent and are no message yet.
pub(super) fn owed(lane: Option<&Lane>) -> Vec<&'static str> {
    let Some(lane) = lane else { return Vec::new() };
    let start = lane.want_start.then_some(WebhookEvent::Start);
    start.into_iter().chain(lane.want_progress.iter()).map(WebhookEvent::as_str).collect()
}

impl DeliveryView {
    pub(super) fn new(delivery: &Delivery, now: Timestamp) -> Self {
        Self {
            attempts: delivery.attempts,
            body_sha256: delivery.body_sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            created_at: delivery.created_at.to_string(),
            event: delivery.event.as_str(),
            explanation: explain::delivery(delivery, now),
            id: delivery.id.to_string(),
            log: None,
            next_attempt_at: delivery.next_attempt_at.map(|at| at.to_string()),
            prediction: delivery.id.prediction.to_string(),
            sequence: delivery.id.seq,
            size: delivery.size,
            state: delivery.state.as_str(),
            superseded: delivery.superseded,
            url: delivery.url.clone(),
        }
    }

    pub(super) fn with_attempts(delivery: &Delivery, attempts: &[Attempt], now: Timestamp) -> Self {
        Self { log: Some(attempts.iter().map(AttemptView::new).collect()), ..Self::new(delivery, now) }
    }
}

impl AttemptView {
    fn new(attempt: &Attempt) -> Self {
        let report = attempt.report.as_ref();
        Self {
            class: attempt.class.clone(),
            detail: attempt.detail.clone(),
            duration_ms: attempt.duration.as_micros() as f64 / 1000.0,
            manual: attempt.manual,
            number: attempt.number,
            peer: report.and_then(|report| report.peer.clone()),
            request: report.and_then(RequestView::new),
            response: report.and_then(ResponseView::new),
            started_at: attempt.started_at.to_string(),
            status: attempt.status,
            timings: report.map(TimingsView::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cogwire_store::delivery::{AttemptReport, HeaderLines, ResponseReport};

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderLines {
        let mut lines = HeaderLines::default();
        pairs.iter().for_each(|(name, value)| lines.push(name, value));
        lines
    }

    fn attempt(report: Option<AttemptReport>) -> Attempt {
        Attempt {
            number: 1,
            started_at: Timestamp::from_micros(1_767_225_600_000_000),
            duration: Duration::from_micros(12_750),
            status: Some(500),
            class: "status".to_owned(),
            detail: "answered 500 Internal Server Error: the receiver failed; look into its logs".to_owned(),
            manual: false,
            report,
        }
    }

    #[test]
    fn an_attempt_shows_what_was_on_the_wire() {
        let response = ResponseReport {
            headers: headers(&[("server", "web-7"), ("vary", "a"), ("vary", "b")]),
            body: "out of cheese".to_owned(),
            truncated: true,
        };
        let report = AttemptReport {
            peer: Some("203.0.113.7:443".to_owned()),
            connect_us: Some(840),
            first_byte_us: Some(2_900),
            request_headers: headers(&[("webhook-id", "msg_1_1"), ("x-api-key", "(hidden)")]),
            response: Some(response),
            ..AttemptReport::default()
        };
        insta::assert_json_snapshot!(AttemptView::new(&attempt(Some(report))));
    }

    #[test]
    fn an_attempt_of_which_nothing_is_known_shows_nothing() {
        let shown = serde_json::to_value(AttemptView::new(&attempt(None))).expect("JSON");
        for key in ["peer", "request", "response", "timings"] {
            assert_eq!(shown.get(key), Some(&serde_json::Value::Null), "for {key}");
        }
    }
}
