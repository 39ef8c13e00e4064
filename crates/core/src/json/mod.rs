//! JSON text that is canonical by construction.
//!
//! Owns the spelling: a [`Json`] is byte-equal to `JSON.stringify(JSON.parse(text))`, up to the order of keys, which here is
//! fixed: array-index keys first in numeric order (JavaScript moves them there), then the others sorted by the bytes of
//! their spelling. Receivers that parse and print a webhook before they check its signature therefore get the bytes
//! that were signed. The one deviation: an integer literal beyond 2^53 keeps its digits, so that no value is lost.
//!
//! Promises linear time (sorting aside), at most [`MAX_DEPTH`] levels of nesting, and never to panic. Knows nothing of
//! what the text means.

mod canonical;
mod key;
mod lexer;
mod number;
mod text;
mod value;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub use text::{fitting, write_string};
pub use writer::ObjectWriter;

/// How many arrays and objects may contain one another in a [`Json`]. Common readers stop at 128, and a list of predictions
/// puts a few levels around each.
pub const MAX_DEPTH: usize = 100;

/// JSON text in canonical form. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Arc<str>);

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, whole or not.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The text is not JSON, or is nested too deeply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct JsonError {
    /// Where the reader stopped: bytes from the start of the text.
    pub offset: usize,
    /// What was wrong there.
    pub reason: &'static str,
}

impl Json {
    /// Reads JSON text and puts it into canonical form. White space around the value is allowed.
    ///
    /// # Errors
    /// When the text is not strict JSON or is nested deeper than [`MAX_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        canonical::canonicalise(text).map(|canonical| Self(canonical.into()))
    }

    /// Reads JSON from bytes.
    ///
    /// # Errors
    /// As [`Json::parse`], and when the bytes are not UTF-8.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| JsonError { offset: error.valid_up_to(), reason: "invalid UTF-8" })?;
        Self::parse(text)
    }

    /// Takes over a value. Numbers are printed as JavaScript prints them.
    ///
    /// A value that is nested deeper than [`MAX_DEPTH`], which no parser here can produce, becomes `null`.
    pub fn from_value(value: &serde_json::Value) -> Self {
        Self::parse(&value.to_string()).unwrap_or_else(|_| Self::null())
    }

    /// `null`.
    pub fn null() -> Self {
        Self("null".into())
    }

    /// The empty object.
    pub fn object() -> Self {
        Self("{}".into())
    }

    /// A string.
    pub fn string(text: &str) -> Self {
        let mut out = String::with_capacity(text.len() + 2);
        write_string(&mut out, text);
        Self(out.into())
    }

    /// A number; `null` when it is not finite, as JavaScript has it.
    pub fn number(number: f64) -> Self {
        let mut out = String::new();
        number::write_float(&mut out, number);
        Self(out.into())
    }

    /// How many arrays and objects contain one another in it.
    pub fn depth(&self) -> usize {
        let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
        for byte in self.0.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = !in_string,
                b'[' | b'{' if !in_string => depth += 1,
                b']' | b'}' if !in_string => depth -= 1,
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        deepest
    }

    /// The items of a list; `None` when it is something else.
    pub fn items(&self) -> Option<Vec<Self>> {
        self.to_value().as_array().map(|items| items.iter().map(Self::from_value).collect())
    }

    /// A list of these values. Each must be less deep than [`MAX_DEPTH`], or the list cannot be read back.
    pub fn array(items: &[Self]) -> Self {
        let mut text = String::with_capacity(2 + items.iter().map(|item| item.0.len() + 1).sum::<usize>());
        text.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&item.0);
        }
        text.push(']');
        Self(text.into())
    }

    /// An object of these members, whose names must differ, in whatever order. Each value must be less deep than [`MAX_DEPTH`], or
    /// the object cannot be read back.
    pub fn object_of<'a>(members: impl IntoIterator<Item = (&'a str, &'a Self)>) -> Self {
        writer::object_of(members)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The canonical text, shared.
    pub fn into_arc(self) -> Arc<str> {
        self.0
    }

    /// The value as a tree. A lone surrogate in a string becomes U+FFFD; an integer beyond 64 bits becomes a float.
    pub fn to_value(&self) -> serde_json::Value {
        value::to_value(&self.0)
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// The decoded text when this is a string. A lone surrogate becomes U+FFFD.
    pub fn as_text(&self) -> Option<String> {
        let quoted = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(text::decode(quoted).into_owned())
    }

    /// What the value is.
    pub fn kind(&self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'n') => Kind::Null,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'"') => Kind::String,
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            _ => Kind::Number,
        }
    }

    /// Replaces the strings for which `replace` gives a value, wherever they are; keys stay as they are.
    ///
    /// Replacements should be flat: the result is not checked against [`MAX_DEPTH`] again.
    #[must_use]
    pub fn map_strings(&self, replace: impl FnMut(&str) -> Option<Self>) -> Self {
        Self(value::map_strings(&self.0, replace).into())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes the text as it is. Only for `serde_json`; give other serialisers [`Json::to_value`].
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// Reads any value and puts it into canonical form. Only for `serde_json`.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }
}
