//! The page about one prediction.

use std::time::Duration;

use cogwire_core::prediction::{OutputContent, Prediction, Status};
use cogwire_core::time::Timestamp;
use maud::{Markup, html};

use super::webhooks::Webhooks;
use super::{layout, value};

/// How soon the page of a prediction that runs is loaded again, in seconds.
const REFRESH_LIVE: u32 = 2;
/// The same while only a webhook is still to be sent.
const REFRESH_OWED: u32 = 5;

/// Why a prediction has not begun, in a sentence.
pub(super) enum Waiting {
    /// Nothing will happen as things are.
    InVain(String),
    /// Others are before it, or its model is starting.
    ForItsTurn(String),
}

/// The page as it is `now`. `base` is where this server's own files are.
pub(super) fn page(
    prediction: &Prediction,
    waiting: Option<&Waiting>,
    webhooks: &Webhooks,
    base: &str,
    now: Timestamp,
) -> Markup {
    let status = prediction.status();
    let refresh = match status.is_terminal() {
        false => Some(REFRESH_LIVE),
        true => webhooks.owed.then_some(REFRESH_OWED),
    };
    let content = html! {
        (heading(prediction))
        @match waiting {
            Some(Waiting::InVain(reason)) => p.bad { "Waiting: " (reason) },
            Some(Waiting::ForItsTurn(sentence)) => p.live { (sentence) },
            None => {}
        }
        (timeline(prediction, now))
        @if let Some(error) = prediction.state.error() {
            section { h2 { "Error" } pre.bad { (error) } }
        }
        (output(prediction, base))
        (input(prediction, base))
        (logs(prediction))
        (metrics(prediction))
        (webhooks.section())
    };
    layout::frame(&format!("{} {status}", prediction.request.model), refresh, &content)
}

fn heading(prediction: &Prediction) -> Markup {
    let (request, status) = (&prediction.request, prediction.status());
    html! {
        h1 { (request.model) " " span class={ "badge " (tone(status)) } { (status) } }
        p.soft { "Prediction " code { (request.id) } ", version " code { (short(request.version.as_str())) } }
    }
}

fn timeline(prediction: &Prediction, now: Timestamp) -> Markup {
    let created = prediction.request.created_at;
    let (started, completed) = (prediction.state.started_at(), prediction.state.completed_at());
    html! {
        section {
            h2 { "Timeline" }
            dl {
                dt { "Created" } dd { (created) }
                dt { "Started" }
                dd { @match started {
                    Some(at) => { (at) span.soft { " after " (seconds(at.since(created))) " of waiting" } }
                    None if completed.is_some() => { "never" }
                    None => { "not yet, after " (seconds(now.since(created))) " of waiting" }
                } }
                dt { "Ended" }
                dd { @match (completed, started) {
                    (Some(at), Some(started)) => { (at) span.soft { " after " (seconds(at.since(started))) " of running" } }
                    (Some(at), None) => { (at) }
                    (None, Some(started)) => { "not yet, after " (seconds(now.since(started))) " of running" }
                    (None, None) => { "not yet" }
                } }
                @if let Some(at) = prediction.request.cancel_at { dt { "Deadline" } dd { (at) } }
            }
        }
    }
}

fn output(prediction: &Prediction, base: &str) -> Markup {
    html! {
        section {
            h2 { "Output" }
            @match &prediction.content.output {
                _ if prediction.data_removed => p.soft { "The data has been removed, because its retention is over." },
                OutputContent::None => p.soft { "None" },
                OutputContent::Value(output) => @match output.items() {
                    Some(items) => (value::show_items(&items, prediction.request.streams, base)),
                    None => (value::show(output, base)),
                },
                OutputContent::Items(items) => (value::show_items(items, prediction.request.streams, base)),
            }
        }
    }
}

fn input(prediction: &Prediction, base: &str) -> Markup {
    let input = prediction.request.input.to_value();
    let fields: Vec<_> = input.as_object().into_iter().flatten().collect();
    html! {
        section {
            h2 { "Input" }
            @if fields.is_empty() { p.soft { "None" } }
            dl { @for (name, field) in fields {
                dt { (name) }
                dd { (value::show(&cogwire_core::json::Json::from_value(field), base)) }
            } }
        }
    }
}

fn logs(prediction: &Prediction) -> Markup {
    let logs = &prediction.content.logs;
    let shown = value::ending(logs);
    html! {
        @if !logs.is_empty() {
            section {
                h2 { "Logs" }
                @if shown.len() < logs.len() { p.soft { "The last " (shown.len()) " of " (logs.len()) " bytes" } }
                pre { (shown) }
            }
        }
    }
}

fn metrics(prediction: &Prediction) -> Markup {
    let metrics = &prediction.content.metrics;
    html! {
        @if !metrics.is_empty() {
            section {
                h2 { "Metrics" }
                dl { @for (name, value) in metrics { dt { (name) } dd { code { (value) } } } }
            }
        }
    }
}

fn tone(status: Status) -> &'static str {
    match status {
        Status::Succeeded => "good",
        Status::Failed | Status::Aborted => "bad",
        Status::Canceled => "idle",
        Status::Starting | Status::Processing => "live",
    }
}

fn short(version: &str) -> &str {
    version.get(..12).unwrap_or(version)
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}
