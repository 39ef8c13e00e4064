//! The webhooks of a prediction: each message, each attempt, and why something was not sent.

use cogwire_core::prediction::Prediction;
use cogwire_core::time::Timestamp;
use cogwire_store::delivery::{Attempt, AttemptReport, Delivery, DeliveryState, HeaderLines};
use maud::{Markup, html};

use crate::api::deliveries::explain;
use crate::api::{Api, Failure};

/// Older messages than these many are not shown.
const MAX_MESSAGES: usize = 20;

/// What there is to show.
pub(super) struct Webhooks {
    url: Option<String>,
    explanation: Vec<String>,
    messages: Vec<(Delivery, Vec<Attempt>)>,
    earlier: usize,
    now: Timestamp,
    /// Whether something is still to be sent.
    pub(super) owed: bool,
}

impl Webhooks {
    pub(super) async fn load(api: &Api, prediction: &Prediction) -> Result<Self, Failure> {
        let deliveries = api.store.deliveries(prediction.id()).await?;
        let lane = api.store.lane(prediction.id()).await?;
        let now = api.now();
        let earlier = deliveries.len().saturating_sub(MAX_MESSAGES);
        let mut messages = Vec::new();
        for delivery in &deliveries[earlier..] {
            messages.extend(api.store.delivery(delivery.id).await?);
        }
        Ok(Self {
            url: prediction.request.webhook.as_ref().map(|webhook| webhook.url.clone()),
            explanation: explain::prediction(prediction, lane.as_ref(), &deliveries, now),
            owed: lane.is_some_and(|lane| lane.due_at().is_some()),
            messages,
            earlier,
            now,
        })
    }

    pub(super) fn section(&self) -> Markup {
        html! {
            section {
                h2 { "Webhooks" }
                @if let Some(url) = &self.url { p { code { (url) } } }
                ul { @for line in &self.explanation { li { (sentence(line)) } } }
                @if self.earlier > 0 { p.soft { (self.earlier) " earlier messages are not shown here" } }
                @for (delivery, attempts) in &self.messages { (message(delivery, attempts, self.now)) }
            }
        }
    }
}

fn message(delivery: &Delivery, attempts: &[Attempt], now: Timestamp) -> Markup {
    html! {
        h3 {
            (delivery.event) " " span class={ "badge " (tone(delivery.state)) } { (delivery.state) } " "
            code.soft { (delivery.id) }
        }
        @for line in explain::delivery(delivery, now) { p { (sentence(&line)) } }
        @if !attempts.is_empty() {
            div.wide { table {
                tr { th { "Attempt" } th { "Begun" } th { "Took" } th { "Result" } th { "What happened" } }
                @for attempt in attempts { (row(attempt)) }
            } }
        }
    }
}

/// A sentence whose names are between backticks.
fn sentence(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn row(attempt: &Attempt) -> Markup {
    let taken = attempt.class == "delivered";
    html! {
        tr {
            td { (attempt.number) @if attempt.manual { " (by hand)" } }
            td.short { (attempt.started_at) }
            td.short { (attempt.duration.as_millis()) " ms" }
            td class=(if taken { "short good" } else { "short bad" }) {
                (attempt.class) @if let Some(status) = attempt.status { " " (status) }
            }
            td { (attempt.detail) }
        }
        @if let Some(report) = &attempt.report {
            tr.wire { td colspan="5" { (wire(report)) } }
        }
    }
}

/// What went over the wire, for those who open it.
fn wire(report: &AttemptReport) -> Markup {
    html! {
        details {
            summary { "Request and answer" }
            dl {
                @if let Some(peer) = &report.peer { dt { "Address" } dd { (peer) } }
                @for (name, micros) in timings(report) { dt { (name) } dd { (micros as f64 / 1000.0) " ms" } }
            }
            @if !report.request_headers.is_empty() {
                h4 { "Headers that were sent" }
                pre { (lines(&report.request_headers)) }
            }
            @if let Some(response) = &report.response {
                h4 { "Headers of the answer" }
                pre { (lines(&response.headers)) }
                @if !response.body.is_empty() {
                    h4 { "Body of the answer" @if response.truncated { " (its beginning)" } }
                    pre { (response.body) }
                }
            }
        }
    }
}

fn timings(report: &AttemptReport) -> impl Iterator<Item = (&'static str, u64)> {
    let parts = [
        ("Look-up of the name", report.dns_us),
        ("Connection", report.connect_us),
        ("TLS", report.tls_us),
        ("First byte", report.first_byte_us),
    ];
    parts.into_iter().filter_map(|(name, micros)| Some((name, micros?)))
}

fn lines(headers: &HeaderLines) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

fn tone(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Delivered => "good",
        DeliveryState::Failed | DeliveryState::Exhausted | DeliveryState::Interrupted => "bad",
        DeliveryState::Pending | DeliveryState::Sending => "live",
    }
}
