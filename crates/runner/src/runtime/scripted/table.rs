//! Reads TOML tables strictly: every key is known, every value has its type, and every error has its place.
//!
//! Owns the wording of type errors. Knows nothing of what the keys mean.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;

use serde_json::{Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Problem, ScriptError};
use super::source::Source;

/// Names closer than this to a known one are taken for slips of the pen. From 0 (nothing in common) to 1 (equal).
const SIMILAR: f64 = 0.8;

/// A table whose keys are all known.
pub(super) struct Table<'a> {
    source: &'a Source,
    /// What this table is, for people: `step 3`.
    pub(super) place: String,
    /// Where it begins and ends.
    pub(super) span: Range<usize>,
    entries: &'a DeTable<'a>,
}

/// A value with its key.
#[derive(Clone)]
pub(super) struct Field<'a> {
    source: &'a Source,
    pub(super) place: String,
    pub(super) key: Cow<'a, str>,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Table<'a> {
    /// Refuses keys that are not in `known`.
    pub(super) fn new(
        source: &'a Source,
        place: String,
        span: Range<usize>,
        entries: &'a DeTable<'a>,
        known: &[&str],
    ) -> Result<Self, ScriptError> {
        let unknown = entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        match unknown.min_by_key(|key| key.span().start) {
            None => Ok(Self { source, place, span, entries }),
            Some(key) => {
                let advice = advice(key.get_ref(), known);
                let problem = Problem::UnknownKey { key: key.get_ref().to_string(), place, advice };
                Err(source.error(&key.span(), problem))
            }
        }
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Field<'a>> {
        self.fields().into_iter().find(|field| field.key == key)
    }

    /// The value of a key that must be there.
    pub(super) fn required(&self, key: &'static str) -> Result<Field<'a>, ScriptError> {
        self.get(key).ok_or_else(|| self.error(Problem::Missing { key, place: self.place.clone() }))
    }

    /// Refuses two keys that exclude each other.
    pub(super) fn exclude(&self, first: &'static str, second: &'static str) -> Result<(), ScriptError> {
        match (self.get(first), self.get(second)) {
            (Some(_), Some(later)) => {
                let problem = Problem::Exclusive { first, second, place: self.place.clone() };
                Err(later.error(problem))
            }
            _ => Ok(()),
        }
    }

    /// All entries, in the order of the file.
    pub(super) fn fields(&self) -> Vec<Field<'a>> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let field = |(key, value): (&'a Spanned<Cow<'a, str>>, _)| {
            let key = Cow::Borrowed(key.get_ref().as_ref());
            Field { source: self.source, place: self.place.clone(), key, value }
        };
        entries.into_iter().map(field).collect()
    }

    /// The error that says that this table is wrong as a whole.
    pub(super) fn error(&self, problem: Problem) -> ScriptError {
        self.source.error(&self.span, problem)
    }
}

impl<'a> Field<'a> {
    /// Where the value is.
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    pub(super) fn text(&self) -> Result<&'a str, ScriptError> {
        self.value.get_ref().as_str().ok_or_else(|| self.wrong_type("a string"))
    }

    pub(super) fn boolean(&self) -> Result<bool, ScriptError> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    pub(super) fn number(&self) -> Result<f64, ScriptError> {
        self.json()?.as_f64().ok_or_else(|| self.wrong_type("a number"))
    }

    /// The items of a list, each as a field of its own.
    pub(super) fn items(&self) -> Result<Vec<Self>, ScriptError> {
        let items = self.value.get_ref().as_array().ok_or_else(|| self.wrong_type("a list"))?;
        Ok(items.iter().map(|value| Self { value, ..self.clone() }).collect())
    }

    /// The value as a table with only `known` keys.
    pub(super) fn table(&self, place: String, known: &[&str]) -> Result<Table<'a>, ScriptError> {
        let entries = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type("a table"))?;
        Table::new(self.source, place, self.span(), entries, known)
    }

    /// The value as a table with any keys, which stays at this field's place.
    pub(super) fn open_table(&self) -> Result<Table<'a>, ScriptError> {
        let entries = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type("a table"))?;
        let place = self.place.clone();
        Ok(Table { source: self.source, place, span: self.span(), entries })
    }

    /// The value as JSON. Dates and times become strings.
    pub(super) fn json(&self) -> Result<Value, ScriptError> {
        let number =
            |number: Option<Number>, must| number.map(Value::Number).ok_or_else(|| self.invalid(must));
        match self.value.get_ref() {
            DeValue::String(text) => Ok(Value::from(text.as_ref())),
            DeValue::Boolean(value) => Ok(Value::from(*value)),
            DeValue::Datetime(time) => Ok(Value::from(time.to_string())),
            DeValue::Integer(digits) => {
                let integer = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
                number(integer.map(Number::from), "have only integers of 64 bits")
            }
            DeValue::Float(digits) => {
                let float = digits.as_str().parse().ok();
                number(float.and_then(Number::from_f64), "have only finite numbers")
            }
            DeValue::Array(_) => self.items()?.iter().map(Self::json).collect(),
            DeValue::Table(_) => {
                let fields = self.open_table()?.fields();
                fields.into_iter().map(|field| Ok((field.key.to_string(), field.json()?))).collect()
            }
        }
    }

    /// Where the path in the value leads. Whether a file is there is for the caller to see.
    pub(super) fn path(&self) -> Result<PathBuf, ScriptError> {
        let no_folder = || Problem::NoFolder { key: self.key.to_string(), place: self.place.clone() };
        self.source.resolve(self.text()?).ok_or_else(|| self.error(no_folder()))
    }

    /// The error that says what the value must be. `must` continues the sentence "KEY in PLACE must".
    pub(super) fn invalid(&self, must: impl Into<String>) -> ScriptError {
        let (key, place) = (self.key.to_string(), self.place.clone());
        self.error(Problem::Invalid { key, place, must: must.into() })
    }

    /// The error that says what type the value must have, and which it has.
    pub(super) fn wrong_type(&self, expected: &str) -> ScriptError {
        self.invalid(format!("be {expected}, not {}", self.kind()))
    }

    /// The error that says that the file which the value names cannot be used.
    pub(super) fn bad_file(&self, reason: &impl ToString) -> ScriptError {
        let (key, place) = (self.key.to_string(), self.place.clone());
        let path = self.value.get_ref().as_str().unwrap_or_default().to_owned();
        self.error(Problem::File { key, place, path, reason: reason.to_string() })
    }

    pub(super) fn error(&self, problem: Problem) -> ScriptError {
        self.source.error(&self.span(), problem)
    }

    fn kind(&self) -> &'static str {
        match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

/// The known name that was probably meant, or else all of them.
pub(super) fn advice(name: &str, known: &[&str]) -> String {
    let similarity = |candidate: &&&str| strsim::jaro_winkler(name, candidate);
    let nearest = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match nearest.filter(|candidate| similarity(candidate) >= SIMILAR) {
        Some(candidate) => format!("did you mean {candidate:?}?"),
        None => format!("known: {}", known.join(", ")),
    }
}
