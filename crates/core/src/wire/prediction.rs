//! A prediction in Replicate's JSON.

use std::borrow::Cow;

use super::Links;
use crate::json::{ObjectWriter, fitting};
use crate::prediction::{Content, Prediction, State, Status};
use crate::webhook::event::EventSet;

/// How much of an error a thin body shows, in bytes as JSON spells it.
const THIN_ERROR: usize = 1024;

/// What some readers must not see as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mask {
    /// Everything is shown.
    #[default]
    None,
    /// `aborted` is shown as `canceled`: the official clients up to Python 1.x and JavaScript 1.x do not know it, and poll
    /// for ever or fail to decode.
    NoAborted,
    /// As it was when it was created, whatever has happened since. A client that waited takes every status but `starting`
    /// for the end.
    AsCreated,
}

/// The prediction as one canonical JSON object.
pub fn prediction_body(prediction: &Prediction, links: &Links, mask: Mask) -> String {
    let nothing = Content::default();
    let view = match mask {
        Mask::AsCreated if !prediction.status().is_terminal() => {
            View { state: &State::Starting, content: &nothing, logs: "", mask }
        }
        _ => View { mask, ..View::of(prediction) },
    };
    let mut body = String::with_capacity(768 + prediction.request.input.as_str().len());
    let mut object = ObjectWriter::new(&mut body);
    write_prediction(&mut object, prediction, &view, links);
    object.finish();
    body
}

/// What of a prediction is shown, in place of what it holds.
pub(super) struct View<'a> {
    pub(super) state: &'a State,
    /// Its output and metrics; not its logs.
    pub(super) content: &'a Content,
    pub(super) logs: &'a str,
    pub(super) mask: Mask,
}

impl<'a> View<'a> {
    /// Everything as it is.
    pub(super) fn of(prediction: &'a Prediction) -> Self {
        let content = &prediction.content;
        Self { state: &prediction.state, content, logs: &content.logs, mask: Mask::None }
    }
}

/// Adds the members of a prediction.
pub(super) fn write_prediction(
    object: &mut ObjectWriter<'_>,
    prediction: &Prediction,
    view: &View<'_>,
    links: &Links,
) {
    let (request, state) = (&prediction.request, view.state);
    optional(object, "completed_at", state.completed_at().map(|at| at.to_string()).as_deref());
    object.string("created_at", &request.created_at.to_string());
    object.bool("data_removed", prediction.data_removed);
    if let Some(at) = request.cancel_at {
        object.string("deadline", &at.to_string());
    }
    optional(object, "error", state.error());
    object.string("id", request.id.as_str());
    object.json("input", &request.input);
    object.string("logs", view.logs);
    object.json("metrics", &view.content.metrics_json());
    object.string("model", request.model.as_str());
    match view.content.output.to_json() {
        Some(output) => object.json("output", &output),
        None => object.null("output"),
    };
    object.string("source", request.source.as_str());
    optional(object, "started_at", state.started_at().map(|at| at.to_string()).as_deref());
    object.string("status", status_text(state.status(), view.mask));
    object.object("urls", |urls| write_urls(urls, prediction, links));
    object.string("version", request.version.as_str());
    write_webhook(object, prediction);
}

/// Adds the members by which a prediction is recognised and found, and `"thin":true`.
pub(super) fn write_thin(object: &mut ObjectWriter<'_>, prediction: &Prediction, links: &Links) {
    let (request, state) = (&prediction.request, &prediction.state);
    optional(object, "completed_at", state.completed_at().map(|at| at.to_string()).as_deref());
    object.string("created_at", &request.created_at.to_string());
    optional(object, "error", state.error().map(|error| beginning(error, THIN_ERROR)).as_deref());
    object.string("id", request.id.as_str());
    object.string("model", request.model.as_str());
    optional(object, "started_at", state.started_at().map(|at| at.to_string()).as_deref());
    object.string("status", state.status().as_str());
    object.bool("thin", true);
    object.object("urls", |urls| write_urls(urls, prediction, links));
    object.string("version", request.version.as_str());
}

fn beginning(text: &str, most: usize) -> Cow<'_, str> {
    match fitting(text, most) {
        all if all.len() == text.len() => Cow::Borrowed(text),
        cut => Cow::Owned(format!("{cut}…")),
    }
}

fn write_urls(urls: &mut ObjectWriter<'_>, prediction: &Prediction, links: &Links) {
    let id = prediction.id();
    urls.string("cancel", &links.cancel(id));
    urls.string("get", &links.get(id));
    if prediction.request.streams {
        urls.string("stream", &links.stream(id));
    }
    urls.string("web", &links.web(id));
}

fn write_webhook(object: &mut ObjectWriter<'_>, prediction: &Prediction) {
    let Some(webhook) = &prediction.request.webhook else { return };
    object.string("webhook", &webhook.url);
    if let Some(filter) = webhook.filter {
        object.raw("webhook_events_filter", &event_names(filter));
    }
}

fn event_names(events: EventSet) -> String {
    let names: Vec<String> = events.iter().map(|event| format!("\"{event}\"")).collect();
    format!("[{}]", names.join(","))
}

fn optional(object: &mut ObjectWriter<'_>, key: &str, value: Option<&str>) {
    match value {
        Some(value) => object.string(key, value),
        None => object.null(key),
    };
}

fn status_text(status: Status, mask: Mask) -> &'static str {
    match (status, mask) {
        (Status::Aborted, Mask::NoAborted) => Status::Canceled.as_str(),
        _ => status.as_str(),
    }
}
