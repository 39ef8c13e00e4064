//! Every reason to refuse a `cog.yaml`, in words for the person who wrote it.

use std::io;
use std::path::PathBuf;

/// A `cog.yaml` was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The folder is not there, or it is not a folder.
    #[error("{} is not a folder: name the folder that has the model's cog.yaml", .0.display())]
    NoFolder(PathBuf),
    /// The folder has no such file.
    #[error("there is no cog.yaml in {}: name the folder that has it, or make one with `cog init`", .0.display())]
    Missing(PathBuf),
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something in the file is wrong.
    #[error("{file}:{line}: {problem}")]
    Wrong {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        problem: Box<Problem>,
    },
}

/// What is wrong with a `cog.yaml`. A key is named with what is above it: `build.gpu`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is not YAML.
    #[error("this is not YAML: {0}")]
    Yaml(String),
    /// There is more than one document.
    #[error("a second document begins here: a cog.yaml has one")]
    SecondDocument,
    /// Lists and mappings contain one another without end.
    #[error("this is nested too deeply")]
    TooDeep,
    /// An alias of YAML.
    #[error("aliases (`*name`) cannot be used here: write the value again")]
    Alias,
    /// A key that is a list or a mapping.
    #[error("a key must be text")]
    KeyIsNoText,
    /// A key that was there before.
    #[error("{key:?} is here a second time: the first is on line {first}")]
    Twice {
        /// The key.
        key: String,
        /// The line of the first one.
        first: usize,
    },
    /// The file is longer than any `cog.yaml` needs to be.
    #[error("this file has more than {0} bytes: is it a cog.yaml?")]
    TooLong(usize),
    /// A key that means nothing here.
    #[error("unknown key {key:?} ({advice})")]
    UnknownKey {
        /// The key.
        key: String,
        /// A similar key, or all keys.
        advice: String,
    },
    /// A value of the wrong type, or out of range.
    #[error("{key} must {must}")]
    Invalid {
        /// The key.
        key: String,
        /// What is expected, and what was found.
        must: String,
    },
    /// Two keys that exclude each other.
    #[error("{first} and {second} exclude each other: keep one of them")]
    Exclusive {
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Nothing says what to run.
    #[error("neither `run` nor `predict` says what to run: add, for example, run: \"run.py:Runner\"")]
    NothingToRun,
    /// A file that the configuration names is not in the folder.
    #[error("{key} names {path:?}, which is not a file in this folder: create it, or correct {key}")]
    NoFile {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: String,
    },
}
