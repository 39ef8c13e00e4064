//! Canonical objects written field by field, without a tree in between.

use std::cmp::Ordering;
use std::ops::Range;

use super::text::write_escaped;
use super::{Json, key, write_string};

/// Writes one JSON object to the end of a `String`.
///
/// Keys must be given in canonical order, each once; a debug build checks that. The object is complete only after
/// [`ObjectWriter::finish`].
pub struct ObjectWriter<'a> {
    out: &'a mut String,
    last_key: Option<Range<usize>>,
}

impl<'a> ObjectWriter<'a> {
    /// Begins an object at the end of `out`.
    pub fn new(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, last_key: None }
    }

    /// Adds a JSON value.
    pub fn json(&mut self, key: &str, value: &Json) -> &mut Self {
        self.raw(key, value.as_str())
    }

    /// Adds a string.
    pub fn string(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        write_string(self.out, value);
        self
    }

    /// Adds text that is canonical JSON already.
    pub fn raw(&mut self, key: &str, canonical: &str) -> &mut Self {
        self.key(key);
        self.out.push_str(canonical);
        self
    }

    /// Adds `null`.
    pub fn null(&mut self, key: &str) -> &mut Self {
        self.raw(key, "null")
    }

    /// Adds a boolean.
    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// Adds an object with the fields that `write` adds to it.
    pub fn object(&mut self, key: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) -> &mut Self {
        self.key(key);
        let mut inner = ObjectWriter::new(self.out);
        write(&mut inner);
        inner.finish();
        self
    }

    /// Ends the object.
    pub fn finish(self) {
        self.out.push('}');
    }

    fn key(&mut self, key: &str) {
        if self.last_key.is_some() {
            self.out.push(',');
        }
        let start = self.out.len() + 1;
        write_string(self.out, key);
        let written = start..self.out.len() - 1;
        debug_assert!(self.follows(&written), "the key {key:?} is out of canonical order");
        self.last_key = Some(written);
        self.out.push(':');
    }

    fn follows(&self, written: &Range<usize>) -> bool {
        let Some(last) = &self.last_key else { return true };
        key::compare(&self.out[last.clone()], &self.out[written.clone()]) == Ordering::Less
    }
}

/// An object of members in any order, whose names differ.
pub(super) fn object_of<'a>(members: impl IntoIterator<Item = (&'a str, &'a Json)>) -> Json {
    let mut members: Vec<_> = members.into_iter().map(|(name, value)| (spelled(name), name, value)).collect();
    members.sort_unstable_by(|(left, ..), (right, ..)| key::compare(left, right));
    let mut out = String::with_capacity(64 * members.len() + 2);
    let mut object = ObjectWriter::new(&mut out);
    for (_, name, value) in members {
        object.json(name, value);
    }
    object.finish();
    Json(out.into())
}

/// What the order of members goes by.
fn spelled(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len());
    write_escaped(&mut spelled, name);
    spelled
}
