//! The body of a create: which members there are, and what is wrong with the one at hand.
//!
//! The text is read once, and the input is not turned into a tree. Unknown members, unknown events and wrong types are
//! faults, because a typo that is accepted in silence is a webhook that never comes. What old clients still send is
//! accepted with a warning. Knows neither headers nor versions nor which addresses are allowed.

mod members;
mod webhook;

use members::{Members, NotRead};
use serde_json::value::RawValue;

use crate::input::{InvalidField, InvalidInput};
use crate::json::{Json, JsonError};
use crate::webhook::event::{EventSet, WebhookEvent};

pub use webhook::{MAX_WEBHOOK_URL, WebhookUrl};

/// Which create it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// `POST /predictions`: the body names the version.
    Versioned,
    /// `POST /models/{owner}/{name}/predictions`: the path names the model.
    OfModel,
    /// `POST /models/{owner}/{name}/versions/{id}/trainings`: the path names the version, the body the destination.
    Training,
}

/// What a create asks for, as far as the body tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateBody {
    /// What was written as `version`; only in [`Envelope::Versioned`], and there always.
    pub version: Option<String>,
    /// What was written as `destination`; only in [`Envelope::Training`], and there always.
    pub destination: Option<String>,
    /// The input, an object. Whether the version accepts it is not known here.
    pub input: Json,
    /// Where to send webhooks.
    pub webhook: Option<WebhookUrl>,
    /// The events to send; `None` when the body has no filter.
    pub filter: Option<EventSet>,
    /// Sentences for the caller about what was accepted although it does nothing, or not what it seems.
    pub warnings: Vec<String>,
}

/// The body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBody {
    /// There is none.
    #[error("The request body is empty: send a JSON object with `Content-Type: application/json`")]
    Empty,
    /// It is not JSON.
    #[error("The request body is not valid JSON: {0}")]
    Malformed(String),
    /// It is JSON, but not an object.
    #[error("The request body must be a JSON object")]
    NotAnObject,
    /// It is an object with faults.
    #[error("{}", .0.detail())]
    Invalid(InvalidInput),
}

impl Envelope {
    /// The members that the body may have.
    const fn members(self) -> &'static [&'static str] {
        match self {
            Self::Versioned => &["version", "input", "webhook", "webhook_events_filter"],
            Self::OfModel => &["input", "webhook", "webhook_events_filter"],
            Self::Training => &["destination", "input", "webhook", "webhook_events_filter"],
        }
    }

    /// Replicate's own description of a training's body does not forbid other members, and a client sends some.
    const fn tolerates_unknown(self) -> bool {
        matches!(self, Self::Training)
    }
}

impl CreateBody {
    /// Reads a body.
    ///
    /// # Errors
    /// With every fault that it has, not only the first.
    pub fn parse(body: &[u8], envelope: Envelope) -> Result<Self, InvalidBody> {
        if body.trim_ascii().is_empty() {
            return Err(InvalidBody::Empty);
        }
        let members = Members::read(body, envelope).map_err(|not_read| match not_read {
            NotRead::Malformed(text) => InvalidBody::Malformed(text),
            NotRead::NotAnObject => InvalidBody::NotAnObject,
        })?;
        let mut reader = Reader { faults: missing(&members, envelope), warnings: Vec::new() };
        reader.unknown(&members.unknown, envelope);
        let body = reader.read(&members)?;
        if reader.faults.is_empty() { Ok(body) } else { Err(InvalidInput { fields: reader.faults }.into()) }
    }
}

impl From<InvalidInput> for InvalidBody {
    fn from(invalid: InvalidInput) -> Self {
        Self::Invalid(invalid)
    }
}

/// Reads members and collects what is wrong with them.
struct Reader {
    faults: Vec<InvalidField>,
    warnings: Vec<String>,
}

impl Reader {
    fn read(&mut self, members: &Members<'_>) -> Result<CreateBody, InvalidBody> {
        let version = members.version.and_then(|raw| self.text("version", raw));
        let destination = members.destination.and_then(|raw| self.text("destination", raw));
        let input = members.input.map_or_else(|| Ok(Json::object()), |raw| self.input(raw))?;
        let webhook = members.webhook.and_then(|raw| self.webhook("webhook", raw));
        let filter = members.filter.and_then(|raw| self.filter(raw));
        if members.stream {
            self.warn("`stream` is ignored: a model that streams has `urls.stream` without it");
        }
        let (webhook, filter) = self.completed(members, webhook, filter);
        let warnings = std::mem::take(&mut self.warnings);
        Ok(CreateBody { version, destination, input, webhook, filter, warnings })
    }

    fn unknown(&mut self, names: &[String], envelope: Envelope) {
        let faults = names.iter().map(|name| unknown_member(name, envelope));
        if !envelope.tolerates_unknown() {
            return self.faults.extend(faults);
        }
        for (name, fault) in names.iter().zip(faults) {
            let hint = fault.hint.map_or_else(String::new, |hint| format!(": {hint}"));
            self.warn(&format!("`{}` is ignored{hint}", shortened(name)));
        }
    }

    fn input(&mut self, raw: &RawValue) -> Result<Json, InvalidBody> {
        if !raw.get().starts_with('{') {
            self.wrong_type("input", "object", raw);
        }
        Json::parse(raw.get()).map_err(|JsonError { offset, reason }| {
            InvalidBody::Malformed(format!("{reason} at byte {offset} of `input`"))
        })
    }

    fn webhook(&mut self, field: &'static str, raw: &RawValue) -> Option<WebhookUrl> {
        let text = self.text(field, raw)?;
        WebhookUrl::parse(text).map_err(|reason| self.fault("format", field, reason)).ok()
    }

    fn filter(&mut self, raw: &RawValue) -> Option<EventSet> {
        const FIELD: &str = "webhook_events_filter";
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            self.wrong_type(FIELD, "array", raw);
            return None;
        };
        let events = items.into_iter().enumerate().filter_map(|(index, item)| {
            let field = format!("{FIELD}.{index}");
            let name = self.text(field.clone(), item)?;
            name.parse().map_err(|_| self.faults.push(unknown_event(field, &name))).ok()
        });
        Some(events.collect())
    }

    /// `webhook_completed` is what `webhook` with the filter `["completed"]` is today.
    fn completed(
        &mut self,
        members: &Members<'_>,
        webhook: Option<WebhookUrl>,
        filter: Option<EventSet>,
    ) -> (Option<WebhookUrl>, Option<EventSet>) {
        let Some(old) = members.completed.and_then(|raw| self.webhook("webhook_completed", raw)) else {
            return (webhook, filter);
        };
        if webhook.is_some() {
            self.warn("`webhook_completed` is ignored because there is a `webhook`");
            return (webhook, filter);
        }
        self.warn(
            "`webhook_completed` is deprecated: use `webhook` with `webhook_events_filter: [\"completed\"]`",
        );
        (Some(old), Some(EventSet::NONE.with(WebhookEvent::Completed)))
    }

    fn text(&mut self, field: impl Into<String>, raw: &RawValue) -> Option<String> {
        if !raw.get().starts_with('"') {
            self.wrong_type(field, "string", raw);
            return None;
        }
        // Half of a surrogate pair is not text; it can only be wrong.
        Some(serde_json::from_str(raw.get()).unwrap_or_default())
    }

    fn wrong_type(&mut self, field: impl Into<String>, expected: &str, raw: &RawValue) {
        let description = format!("Invalid type. Expected: {expected}, given: {}", type_name(raw.get()));
        self.fault("invalid_type", field, description);
    }

    fn fault(&mut self, kind: &'static str, field: impl Into<String>, description: impl Into<String>) {
        self.faults.push(InvalidField::new(kind, field, description));
    }

    fn warn(&mut self, text: &str) {
        self.warnings.push(text.to_owned());
    }
}

fn missing(members: &Members<'_>, envelope: Envelope) -> Vec<InvalidField> {
    let given =
        [("version", members.version), ("destination", members.destination), ("input", members.input)];
    let missing = given.into_iter().filter(|(name, raw)| raw.is_none() && envelope.members().contains(name));
    missing.map(|(name, _)| InvalidField::new("required", "", format!("{name} is required"))).collect()
}

fn unknown_member(name: &str, envelope: Envelope) -> InvalidField {
    let description = format!("Additional property {} is not allowed", shortened(name));
    InvalidField::new("additional_property_not_allowed", "", description).with_hint(hint(name, envelope))
}

fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}

/// `model` in place of `version` is left to Replicate's own words, which clients may know.
fn hint(name: &str, envelope: Envelope) -> Option<String> {
    match (name, envelope) {
        ("model", Envelope::Versioned) => None,
        ("version", Envelope::OfModel) => {
            Some("this path runs the latest version; POST /predictions takes a version".to_owned())
        }
        _ => nearest(name, envelope.members()).map(did_you_mean),
    }
}

fn unknown_event(field: String, name: &str) -> InvalidField {
    let names = WebhookEvent::ALL.map(WebhookEvent::as_str);
    let options = names.map(|name| format!("\"{name}\"")).join(", ");
    let description = format!("{field} must be one of the following: {options}");
    InvalidField::new("enum", field, description).with_hint(nearest(name, &names).map(did_you_mean))
}

fn did_you_mean(known: &str) -> String {
    format!("did you mean {known}?")
}

/// The known name that `name` was probably meant to be.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    /// Less alike than this, a suggestion would be a riddle.
    const ALIKE: f64 = 0.8;
    if name.len() > 64 {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let rated = known.iter().map(|known| (strsim::jaro_winkler(&name, known), *known));
    rated.filter(|(rate, _)| *rate >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

fn type_name(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "boolean",
        Some(b'"') => "string",
        Some(b'[') => "array",
        Some(b'{') => "object",
        _ if raw.contains(['.', 'e', 'E']) => "number",
        _ => "integer",
    }
}

#[cfg(test)]
mod tests;
