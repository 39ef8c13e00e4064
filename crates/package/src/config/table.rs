//! Reads YAML mappings strictly: every key is known, every value has its type, and every error has its place.
//!
//! Owns the wording of type errors. Knows nothing of what the keys mean.

use super::error::{ConfigError, Problem};
use super::yaml::{Entry, Fault, Node, Value};

/// Names closer than this to a known one are taken for slips of the pen. From 0 (nothing in common) to 1 (equal).
const SIMILAR: f64 = 0.8;

/// A mapping whose keys are all known.
pub(super) struct Table<'a> {
    file: &'a str,
    /// The key that holds it; empty at the top.
    place: String,
    entries: &'a [Entry],
}

/// A value with its key.
pub(super) struct Field<'a> {
    file: &'a str,
    /// With what is above it: `build.gpu`.
    key: String,
    node: &'a Node,
}

impl<'a> Table<'a> {
    /// The whole file. An empty one has no keys.
    pub(super) fn top(file: &'a str, node: &'a Node, known: &[&str]) -> Result<Self, ConfigError> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            other => {
                let must = format!("be keys and their values, not {}", kind(other));
                let problem = Problem::Invalid { key: "a cog.yaml".to_owned(), must };
                return Err(error(file, node.line, problem));
            }
        };
        Self { file, place: String::new(), entries }.refuse_unknown(known)
    }

    /// The value of a key, if it is there and not null.
    pub(super) fn get(&self, key: &'static str) -> Option<Field<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let field = Field { file: self.file, key: self.path_to(key), node: &entry.node };
        (!matches!(entry.node.value, Value::Null)).then_some(field)
    }

    /// Refuses two keys that exclude each other.
    pub(super) fn exclude(&self, first: &'static str, second: &'static str) -> Result<(), ConfigError> {
        match (self.get(first), self.get(second)) {
            (Some(_), Some(later)) => Err(later.error(Problem::Exclusive { first, second })),
            _ => Ok(()),
        }
    }

    fn refuse_unknown(self, known: &[&str]) -> Result<Self, ConfigError> {
        match self.entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
            None => Ok(self),
            Some(entry) => {
                let problem =
                    Problem::UnknownKey { key: self.path_to(&entry.key), advice: advice(&entry.key, known) };
                Err(error(self.file, entry.line, problem))
            }
        }
    }

    fn path_to(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }
}

impl<'a> Field<'a> {
    pub(super) fn text(&self) -> Result<&'a str, ConfigError> {
        match &self.node.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong_type("text")),
        }
    }

    /// Text that may be a number without quotes, such as a version.
    pub(super) fn version(&self) -> Result<&'a str, ConfigError> {
        match &self.node.value {
            Value::Text(text) | Value::Number(text) => Ok(text),
            _ => Err(self.wrong_type("a version such as \"3.11\"")),
        }
    }

    /// True or false, also in the words of YAML 1.1.
    pub(super) fn boolean(&self) -> Result<bool, ConfigError> {
        match &self.node.value {
            Value::Bool(value) => Ok(*value),
            Value::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "yes" | "on") => Ok(true),
            Value::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "no" | "off") => Ok(false),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    /// A whole number from 1.
    pub(super) fn count(&self) -> Result<u32, ConfigError> {
        let count = match &self.node.value {
            Value::Number(text) => text.parse().ok().filter(|count| *count > 0),
            _ => None,
        };
        count.ok_or_else(|| self.wrong_type("a whole number, 1 or more"))
    }

    /// The items of a list, each as a field of its own.
    pub(super) fn items(&self) -> Result<Vec<Self>, ConfigError> {
        let Value::List(nodes) = &self.node.value else { return Err(self.wrong_type("a list")) };
        let item = |(index, node)| Field { file: self.file, key: format!("{}[{index}]", self.key), node };
        Ok(nodes.iter().enumerate().map(item).collect())
    }

    /// The items of a list of texts.
    pub(super) fn texts(&self) -> Result<Vec<&'a str>, ConfigError> {
        self.items()?.iter().map(Field::text).collect()
    }

    /// The value as a mapping with only `known` keys.
    pub(super) fn table(&self, known: &[&str]) -> Result<Table<'a>, ConfigError> {
        let Value::Map(entries) = &self.node.value else {
            return Err(self.wrong_type("keys and their values"));
        };
        Table { file: self.file, place: self.key.clone(), entries }.refuse_unknown(known)
    }

    /// The error that says what the value must be. `must` continues the sentence "KEY must".
    pub(super) fn invalid(&self, must: impl Into<String>) -> ConfigError {
        self.error(Problem::Invalid { key: self.key.clone(), must: must.into() })
    }

    pub(super) fn error(&self, problem: Problem) -> ConfigError {
        error(self.file, self.node.line, problem)
    }

    pub(super) fn line(&self) -> usize {
        self.node.line
    }

    /// The error that says what type the value must have, and which it has.
    fn wrong_type(&self, expected: &str) -> ConfigError {
        self.invalid(format!("be {expected}, not {}", kind(&self.node.value)))
    }
}

/// The error about a line of a file.
pub(super) fn error(file: &str, line: usize, problem: Problem) -> ConfigError {
    ConfigError::Wrong { file: file.to_owned(), line, problem: Box::new(problem) }
}

/// The error about what is not even YAML.
pub(super) fn fault(file: &str, fault: Fault) -> ConfigError {
    error(file, fault.line, fault.problem)
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(text) => text.clone(),
        Value::Text(text) => format!("{text:?}"),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "keys and their values".to_owned(),
    }
}

/// The known name that was probably meant, or else all of them.
fn advice(name: &str, known: &[&str]) -> String {
    let similarity = |candidate: &&&str| strsim::jaro_winkler(name, candidate);
    let nearest = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match nearest.filter(|candidate| similarity(candidate) >= SIMILAR) {
        Some(candidate) => format!("did you mean {candidate:?}?"),
        None => format!("known: {}", known.join(", ")),
    }
}
