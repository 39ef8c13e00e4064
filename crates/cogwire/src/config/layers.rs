//! Raw values with their origin, before they mean anything: flags over environment over file over defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Error;
use super::redact;
use super::setting::{Arity, SETTINGS, Setting};

/// The defaults, and the reference documentation.
pub const DEFAULT_CONFIG: &str = include_str!("default-config.toml");

/// The file that is read when it is in the current folder.
pub const FILE_NAME: &str = "cogwire.toml";

/// Where a value comes from; the higher one wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `default-config.toml`.
    Default,
    /// This file.
    File(PathBuf),
    /// A file that the setting's other environment variable names.
    EnvironmentFile,
    /// The setting's environment variable.
    Environment,
    /// The setting's flag.
    Flag,
}

/// A setting's raw texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw {
    /// The setting.
    pub setting: &'static Setting,
    /// Its texts: one, or any number for a setting that takes many.
    pub texts: Vec<String>,
    /// Where they come from.
    pub source: Source,
}

/// All settings that have a value, by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers(BTreeMap<&'static str, Raw>);

impl Layers {
    /// The defaults alone.
    ///
    /// # Errors
    /// Never in a release: a test reads the embedded file.
    pub fn defaults() -> Result<Self, Error> {
        let mut layers = Self(BTreeMap::new());
        layers.put_all(read_toml(DEFAULT_CONFIG, &Source::Default)?);
        Ok(layers)
    }

    /// The defaults, then these values; no file.
    ///
    /// # Errors
    /// As [`Layers::defaults`].
    pub fn over_defaults(given: Vec<Raw>) -> Result<Self, Error> {
        let mut layers = Self::defaults()?;
        layers.put_all(given);
        Ok(layers)
    }

    /// The defaults, then the file, then what the command line and the environment say.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or has an unknown key.
    pub fn load(file: Option<&Path>, given: Vec<Raw>) -> Result<Self, Error> {
        let mut layers = Self::defaults()?;
        if let Some(path) = file.map(Path::to_owned).or_else(file_in_current_folder) {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Error::Unreadable { path: path.clone(), error })?;
            layers.put_all(read_toml(&text, &Source::File(path))?);
        }
        layers.put_all(given);
        Ok(layers)
    }

    /// The setting's raw value, if it has one.
    pub fn get(&self, key: &str) -> Option<&Raw> {
        self.0.get(key)
    }

    /// Every setting in the order of the table, with its value if it has one.
    pub fn all(&self) -> impl Iterator<Item = (&'static Setting, Option<&Raw>)> {
        SETTINGS.iter().map(|setting| (setting, self.get(setting.key)))
    }

    fn put_all(&mut self, values: Vec<Raw>) {
        for raw in values {
            let lower = self.0.get(raw.setting.key).is_none_or(|there| there.source <= raw.source);
            if lower {
                self.0.insert(raw.setting.key, raw);
            }
        }
    }
}

impl Raw {
    /// What a person would look for to change the value.
    pub fn place(&self) -> String {
        match &self.source {
            Source::Default => format!("the default of {}", self.setting.key),
            Source::File(path) => format!("{}: {}", path.display(), self.setting.key),
            Source::EnvironmentFile => self.setting.file_variable().unwrap_or_default(),
            Source::Environment => self.setting.variable(),
            Source::Flag => format!("--{}", self.setting.flag()),
        }
    }

    /// A path as it was meant: one from a file starts from the file's folder.
    pub fn path(&self, text: &str) -> PathBuf {
        match &self.source {
            Source::File(file) => file.parent().unwrap_or(Path::new("")).join(text),
            _ => PathBuf::from(text),
        }
    }
}

/// As TOML, without passwords.
impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.setting.arity {
            _ if self.setting.holds_secret() => f.write_str(&redact::setting(self.setting, &self.texts)),
            Arity::Many | Arity::Lines => write!(f, "{:?}", self.texts),
            Arity::Switch => f.write_str(&self.texts.concat()),
            Arity::One if self.texts.iter().all(|text| text.parse::<u64>().is_ok()) => {
                f.write_str(&self.texts.concat())
            }
            Arity::One => write!(f, "{:?}", self.texts.concat()),
        }
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {self} ({:?})", self.setting.key, self.source)
    }
}

fn file_in_current_folder() -> Option<PathBuf> {
    let path = PathBuf::from(FILE_NAME);
    path.exists().then_some(path)
}

fn read_toml(text: &str, source: &Source) -> Result<Vec<Raw>, Error> {
    let table: toml::Table = text.parse().map_err(|error| not_toml(&error, text, source))?;
    table.into_iter().map(|(key, value)| read_entry(&key, value, source)).collect()
}

fn read_entry(key: &str, value: toml::Value, source: &Source) -> Result<Raw, Error> {
    let setting = Setting::find(key)
        .ok_or_else(|| Error::UnknownKey { place: file_of(source), key: key.to_owned() })?;
    let texts = texts(setting, value).ok_or_else(|| Error::WrongType {
        place: format!("{}: {key}", file_of(source)),
        expected: expected(setting),
    })?;
    Ok(Raw { setting, texts, source: source.clone() })
}

fn texts(setting: &Setting, value: toml::Value) -> Option<Vec<String>> {
    match (setting.arity, value) {
        (Arity::Many | Arity::Lines, toml::Value::Array(items)) => items.into_iter().map(scalar).collect(),
        (Arity::Switch, toml::Value::Boolean(on)) => Some(vec![on.to_string()]),
        (Arity::One, value) => Some(vec![scalar(value)?]),
        _ => None,
    }
}

fn scalar(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

fn expected(setting: &Setting) -> &'static str {
    match setting.arity {
        Arity::One => "a text or a whole number",
        Arity::Many | Arity::Lines => "a list of texts",
        Arity::Switch => "true or false",
    }
}

fn file_of(source: &Source) -> String {
    match source {
        Source::File(path) => path.display().to_string(),
        _ => FILE_NAME.to_owned(),
    }
}

fn not_toml(error: &toml::de::Error, text: &str, source: &Source) -> Error {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    Error::NotToml { place: format!("{}:{line}", file_of(source)), reason: error.message().to_owned() }
}
