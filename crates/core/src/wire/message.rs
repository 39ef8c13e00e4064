//! The bodies of webhook messages: the prediction, as much of it as the webhook asks for, in the shape that it asks for.
//!
//! A rule for the length of bodies changes messages only; what the API answers and what streams say is whole.

use std::borrow::Cow;

use serde::Deserialize;

use super::Links;
use super::log_tail::log_tail;
use super::prediction::{View, write_prediction, write_thin};
use crate::json::ObjectWriter;
use crate::prediction::{OutputContent, Prediction};
use crate::webhook::event::{PayloadShape, WebhookEvent};
use crate::webhook::options::BodyRule;

/// The longest thin body, in bytes.
pub const MAX_THIN_BODY: usize = 8 << 10;

/// What of a whole body is neither its input nor its logs or output, more or less.
const FRAME: usize = 1024;

/// The body of a webhook message about `event`: canonical, in the shape and of the length that the prediction's webhook asks for.
pub fn message_body(prediction: &Prediction, event: WebhookEvent, links: &Links) -> String {
    let message = Message::new(prediction, event, links);
    let Some(most) = message.rule.thin_above else { return message.whole() };
    // A body that is going to be thrown away is not made.
    if message.least_size() as u64 > most {
        return message.thin();
    }
    let whole = message.whole();
    if whole.len() as u64 > most { message.thin() } else { whole }
}

/// Whether a body that [`message_body`] made is thin. It reads at most [`MAX_THIN_BODY`] bytes.
pub fn is_thin(body: &[u8]) -> bool {
    /// The members of a body, of its envelope, or of what is in it. Nobody but [`write_thin`] writes a `thin` there.
    #[derive(Deserialize)]
    struct Members {
        #[serde(default)]
        thin: bool,
        data: Option<Box<Members>>,
    }

    if body.len() > MAX_THIN_BODY {
        return false;
    }
    let members = serde_json::from_slice(body);
    members.is_ok_and(|Members { thin, data }| thin || data.is_some_and(|data| data.thin))
}

struct Message<'a> {
    prediction: &'a Prediction,
    event: WebhookEvent,
    links: &'a Links,
    shape: PayloadShape,
    rule: BodyRule,
    logs: Cow<'a, str>,
}

impl<'a> Message<'a> {
    fn new(prediction: &'a Prediction, event: WebhookEvent, links: &'a Links) -> Self {
        let webhook = prediction.request.webhook.as_ref();
        let rule = webhook.map_or_else(BodyRule::default, |webhook| webhook.options.body);
        let logs = &prediction.content.logs;
        Self {
            prediction,
            event,
            links,
            shape: webhook.map_or(PayloadShape::Prediction, |webhook| webhook.payload),
            rule,
            logs: rule.log_tail.map_or(Cow::Borrowed(logs), |most| log_tail(logs, most)),
        }
    }

    /// The least bytes that the whole body can have: spelling makes texts longer, never shorter.
    fn least_size(&self) -> usize {
        let output = match &self.prediction.content.output {
            OutputContent::None => 0,
            OutputContent::Value(value) => value.as_str().len(),
            OutputContent::Items(items) => items.iter().map(|item| item.as_str().len() + 1).sum(),
        };
        self.prediction.request.input.as_str().len() + self.logs.len() + output
    }

    fn whole(&self) -> String {
        let view = View { logs: &self.logs, ..View::of(self.prediction) };
        let capacity = self.least_size() + FRAME;
        self.shaped(capacity, |object| write_prediction(object, self.prediction, &view, self.links))
    }

    fn thin(&self) -> String {
        self.shaped(FRAME, |object| write_thin(object, self.prediction, self.links))
    }

    fn shaped(&self, capacity: usize, write: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
        let mut text = String::with_capacity(capacity);
        let mut object = ObjectWriter::new(&mut text);
        match self.shape {
            PayloadShape::Prediction => write(&mut object),
            PayloadShape::Event => {
                object.object("data", write);
                object.string("type", &format!("{}.{}", self.prediction.request.kind, self.event));
            }
        }
        object.finish();
        text
    }
}

#[cfg(test)]
mod tests;
