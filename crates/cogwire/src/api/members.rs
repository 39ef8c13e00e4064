//! The bodies of Cogwire's own requests: JSON objects of which every member is known.
//!
//! A member that nobody knows is a fault and is not ignored: with a typo in it, a request would do something else than was
//! meant.

use cogwire_core::input::{InvalidField, InvalidInput};
use cogwire_core::wire::ErrorBody;
use serde_json::{Map, Value};

use crate::config::nearest_of;

/// The longest part of a member's name that is shown, in characters.
const MAX_NAME: usize = 100;

/// A body that is being read, and what is wrong with it so far.
#[derive(Debug)]
pub(super) struct Members {
    members: Map<String, Value>,
    faults: Vec<InvalidField>,
}

impl Members {
    /// Reads an object that may have the members `known`.
    ///
    /// # Errors
    /// 400 when the body is no JSON object. What else is wrong is told by [`Members::finish`].
    pub(super) fn read(body: &[u8], known: &[&'static str]) -> Result<Self, ErrorBody> {
        let malformed =
            |error| ErrorBody::new(400, format!("The request body is not a JSON object: {error}"));
        let members: Map<String, Value> = serde_json::from_slice(body).map_err(malformed)?;
        let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
        let faults = unknown.map(|name| unknown_member(name, known)).collect();
        Ok(Self { members, faults })
    }

    /// Takes a member out; `null` counts as none.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text out; anything else is a fault.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            _ => {
                self.fault("invalid_type", name, "Invalid type. Expected: string");
                None
            }
        }
    }

    /// Notes what is wrong with a member, or with the whole body when `field` is empty.
    pub(super) fn fault(&mut self, kind: &'static str, field: &str, description: impl Into<String>) {
        self.faults.push(InvalidField::new(kind, field, description));
    }

    /// What was read, unless something was wrong.
    ///
    /// # Errors
    /// 422 that names every fault.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, ErrorBody> {
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => Err(ErrorBody::invalid_input(InvalidInput { fields: self.faults })),
        }
    }
}

/// A name that is not known, with what was probably meant.
pub(super) fn unknown_member(name: &str, known: &[&'static str]) -> InvalidField {
    let shown: String = name.chars().take(MAX_NAME).collect();
    let hint = nearest_of(&shown, known.iter().copied()).map(|meant| format!("did you mean {meant}?"));
    let description = format!("Additional property {shown} is not allowed");
    InvalidField::new("additional_property_not_allowed", "", description).with_hint(hint)
}
