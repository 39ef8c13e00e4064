//! Why a configuration was refused.

use std::io;
use std::path::PathBuf;

use cogwire_files::InvalidStorage;

use super::setting::Setting;

/// Something in the configuration is wrong. Each text is one sentence that names the place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: this configuration file cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The file is not TOML.
    #[error("{place}: this is not TOML: {reason}")]
    NotToml {
        /// `FILE:LINE`.
        place: String,
        /// What the parser says.
        reason: String,
    },
    /// The file has a key that means nothing.
    #[error("{place}: unknown key {key:?}{}", did_you_mean(key))]
    UnknownKey {
        /// The file.
        place: String,
        /// The key.
        key: String,
    },
    /// A variable of the environment means nothing.
    #[error("unknown environment variable {name}{}", suggestion(meant.as_deref()))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// The name that was most likely meant.
        meant: Option<String>,
    },
    /// A value in the file has the wrong type.
    #[error("{place} must be {expected}")]
    WrongType {
        /// The file and key.
        place: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A value cannot be read.
    #[error("{place}: {text:?} is not {expected}")]
    Invalid {
        /// The flag, variable, or file and key.
        place: String,
        /// The value.
        text: String,
        /// What it must be.
        expected: String,
    },
    /// There is no such storage, or a variable that it needs is wrong.
    #[error(transparent)]
    Storage(#[from] InvalidStorage),
    /// Two settings do not go together, or one needs another.
    #[error("{0}")]
    Conflict(String),
    /// A secret in the environment cannot be used. The text does not show it.
    #[error("{variable}: {reason}")]
    Secret {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing says where data goes.
    #[error("no home directory is known: say where data goes with --data-dir DIR")]
    NoDataDir,
}

fn did_you_mean(key: &str) -> String {
    suggestion(Setting::nearest(key).map(|meant| format!("{meant:?}")).as_deref())
}

fn suggestion(meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!(" (did you mean {meant}?)"),
        None => " (`cogwire config default` shows them all)".to_owned(),
    }
}
