//! Every reason to refuse a script, in words for the person who wrote it.

use std::io;

use cogwire_core::id::VersionId;
use cogwire_core::model::ModelName;

/// A script was refused.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file could not be read.
    #[error("{file}: this script cannot be read")]
    Unreadable {
        /// The file.
        file: String,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// Something in the file is wrong.
    #[error("{file}:{line}: {problem}")]
    Wrong {
        /// The file, or the name of the text.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        problem: Box<Problem>,
    },
}

/// What is wrong with a script. A place is a thing in the script such as `step 3`.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The text is not TOML.
    #[error("this is not TOML: {0}")]
    Toml(String),
    /// The script has no model.
    #[error("there is no [[model]] in this script")]
    NoModel,
    /// A key that means nothing here.
    #[error("unknown key {key:?} in {place} ({advice})")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it is.
        place: String,
        /// A similar key, or all keys.
        advice: String,
    },
    /// A key that must be there is not.
    #[error("{place} has no {key:?}")]
    Missing {
        /// The key.
        key: &'static str,
        /// Where it should be.
        place: String,
    },
    /// A value of the wrong type, or out of range.
    #[error("{key:?} in {place} must {must}")]
    Invalid {
        /// The key.
        key: String,
        /// Where it is.
        place: String,
        /// What is expected, and what was found.
        must: String,
    },
    /// Two keys that exclude each other.
    #[error("{place} has both {first:?} and {second:?}: choose one")]
    Exclusive {
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Where they are.
        place: String,
    },
    /// More of something than any script needs.
    #[error("{place} has more than {most} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The highest possible number.
        most: usize,
        /// Where they are.
        place: String,
    },
    /// A step without any effect.
    #[error("{0} does nothing: give it a wait, a log, an output, a metric or an end")]
    Idle(String),
    /// A template that does not parse.
    #[error("{key:?} in {place} is not a template: {reason}")]
    Template {
        /// The key that holds it.
        key: String,
        /// Where it is.
        place: String,
        /// What the template engine says.
        reason: String,
    },
    /// A template that uses a variable which does not exist there.
    #[error("{key:?} in {place} uses the unknown variable {name:?} (there are {known})")]
    Variable {
        /// The key that holds the template.
        key: String,
        /// Where it is.
        place: String,
        /// The variable.
        name: String,
        /// The variables that exist there.
        known: String,
    },
    /// A script that was not read from a file names another file.
    #[error("{key:?} in {place} names a file, but this script has no folder to find it in")]
    NoFolder {
        /// The key.
        key: String,
        /// Where it is.
        place: String,
    },
    /// A file that the script names cannot be used.
    #[error("{key:?} in {place} names {path:?}: {reason}")]
    File {
        /// The key.
        key: String,
        /// Where it is.
        place: String,
        /// The file, as the script has it.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A version that two models claim.
    #[error("version {version} of {model} is already claimed by {claimant} ({place})")]
    Claimed {
        /// The version.
        version: VersionId,
        /// The model that claims it here.
        model: ModelName,
        /// The model that claimed it before.
        claimant: ModelName,
        /// The file and line of that model.
        place: String,
    },
}
