//! A prediction in Replicate's JSON.

use super::Links;
use crate::json::ObjectWriter;
use crate::prediction::{Content, Kind, Prediction, State, Status};
use crate::webhook::event::{EventSet, PayloadShape, WebhookEvent};

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
    let mut body = String::with_capacity(768 + prediction.request.input.as_str().len());
    match mask {
        Mask::AsCreated if !prediction.status().is_terminal() => {
            write_prediction(&mut body, prediction, &State::Starting, &Content::default(), mask, links);
        }
        _ => write_prediction(&mut body, prediction, &prediction.state, &prediction.content, mask, links),
    }
    body
}

/// The body of a webhook message about `event`, in the shape that the prediction's webhook asks for.
pub fn message_body(prediction: &Prediction, event: WebhookEvent, links: &Links) -> String {
    let body = prediction_body(prediction, links, Mask::None);
    let payload =
        prediction.request.webhook.as_ref().map_or(PayloadShape::Prediction, |webhook| webhook.payload);
    match payload {
        PayloadShape::Prediction => body,
        PayloadShape::Event => envelope(prediction.request.kind, event, &body),
    }
}

fn envelope(kind: Kind, event: WebhookEvent, data: &str) -> String {
    let mut text = String::with_capacity(data.len() + 48);
    let mut object = ObjectWriter::new(&mut text);
    object.raw("data", data);
    object.string("type", &format!("{kind}.{event}"));
    object.finish();
    text
}

fn write_prediction(
    out: &mut String,
    prediction: &Prediction,
    state: &State,
    content: &Content,
    mask: Mask,
    links: &Links,
) {
    let request = &prediction.request;
    let mut object = ObjectWriter::new(out);
    optional(&mut object, "completed_at", state.completed_at().map(|at| at.to_string()).as_deref());
    object.string("created_at", &request.created_at.to_string());
    object.bool("data_removed", prediction.data_removed);
    if let Some(at) = request.cancel_at {
        object.string("deadline", &at.to_string());
    }
    optional(&mut object, "error", state.error());
    object.string("id", request.id.as_str());
    object.json("input", &request.input);
    object.string("logs", &content.logs);
    object.json("metrics", &content.metrics_json());
    object.string("model", request.model.as_str());
    match content.output.to_json() {
        Some(output) => object.json("output", &output),
        None => object.null("output"),
    };
    object.string("source", request.source.as_str());
    optional(&mut object, "started_at", state.started_at().map(|at| at.to_string()).as_deref());
    object.string("status", status_text(state.status(), mask));
    object.object("urls", |urls| write_urls(urls, prediction, links));
    object.string("version", request.version.as_str());
    write_webhook(&mut object, prediction);
    object.finish();
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
