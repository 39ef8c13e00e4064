//! The members of a body as raw text, found in one pass.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Envelope;

/// More unknown members than these are not listed.
const MAX_UNKNOWN: usize = 20;

/// What the body has. Of members that are there twice, the last one counts, as in JavaScript. A `null` among the optional
/// members is the same as no member.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    pub(super) version: Option<&'a RawValue>,
    pub(super) destination: Option<&'a RawValue>,
    pub(super) input: Option<&'a RawValue>,
    pub(super) webhook: Option<&'a RawValue>,
    pub(super) filter: Option<&'a RawValue>,
    pub(super) completed: Option<&'a RawValue>,
    pub(super) stream: bool,
    pub(super) unknown: Vec<String>,
}

/// There are no members to find.
pub(super) enum NotRead {
    Malformed(String),
    NotAnObject,
}

impl<'a> Members<'a> {
    pub(super) fn read(body: &'a [u8], envelope: Envelope) -> Result<Self, NotRead> {
        let members: Self = serde_json::from_slice(body).map_err(|error| match error.is_data() {
            true => NotRead::NotAnObject,
            false => NotRead::Malformed(error.to_string()),
        })?;
        Ok(members.of(envelope))
    }

    /// What another envelope would know is unknown in this one.
    fn of(mut self, envelope: Envelope) -> Self {
        let foreign = [("destination", &mut self.destination), ("version", &mut self.version)]
            .into_iter()
            .filter(|(name, _)| !envelope.members().contains(name))
            .filter_map(|(name, member)| member.take().map(|_| name.to_owned()));
        self.unknown = foreign.chain(std::mem::take(&mut self.unknown)).collect();
        self
    }

    fn put(&mut self, name: String, raw: &'a RawValue) {
        let given = Some(raw).filter(|raw| raw.get() != "null");
        match name.as_str() {
            "version" => self.version = Some(raw),
            "destination" => self.destination = Some(raw),
            "input" => self.input = Some(raw),
            "webhook" => self.webhook = given,
            "webhook_events_filter" => self.filter = given,
            "webhook_completed" => self.completed = given,
            "stream" => self.stream = given.is_some(),
            _ if self.unknown.len() < MAX_UNKNOWN => self.unknown.push(name),
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key::<String>()? {
            members.put(name, map.next_value()?);
        }
        Ok(members)
    }

    /// Reads the list to its end: text that breaks off is malformed, whatever it began with.
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Members<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Err(Error::invalid_type(serde::de::Unexpected::Seq, &self))
    }
}
