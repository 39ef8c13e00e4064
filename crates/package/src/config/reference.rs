//! `predict.py:Predictor`: what in which file is run.

use std::fmt;
use std::path::{Component, Path};

/// A class or function in a file of the model's folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    file: String,
    name: String,
}

impl Reference {
    /// The error continues the sentence "it must".
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let parts = text.rsplit_once(':');
        let (file, name) =
            parts.ok_or("name a file and a class or function in it, such as \"run.py:Runner\"")?;
        if !file.ends_with(".py") {
            return Err("name a file that ends in .py, such as \"run.py:Runner\"");
        }
        if !is_inside(file) {
            return Err("name a file in this folder, by a relative path without `..`");
        }
        if !is_identifier(name) {
            return Err("have the name of a class or function after the colon");
        }
        Ok(Self { file: file.to_owned(), name: name.to_owned() })
    }

    /// The file, relative to the folder.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The class or function.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.name)
    }
}

/// Whether a path stays below the folder that it is relative to, links aside.
pub(super) fn is_inside(path: &str) -> bool {
    let mut components = Path::new(path).components();
    !path.is_empty() && components.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}
