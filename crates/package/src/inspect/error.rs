//! Why nothing could be found out about a model, in words for its author.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde::Deserialize;

use crate::config::CogConfig;
use crate::environment::Environment;

/// How Cog says that a type is missing.
const NOT_ANNOTATED: [&str; 2] = ["type annotation", "No input type provided"];

/// A model could not be inspected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The model's own code failed, or is not what Cog takes.
    #[error("{reference}: {message}{}{}", sentence(advice.as_deref()), section(traceback))]
    Model {
        /// What was asked for.
        reference: String,
        /// The last line of the traceback.
        message: String,
        /// What to do.
        advice: Option<String>,
        /// The model's own traceback; empty when there is none.
        traceback: String,
    },
    /// The model ended the process that imported it.
    #[error("the process that imported the model ended ({status}){}", section(output))]
    Died {
        /// How.
        status: ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },
    /// Importing the model took too long.
    #[error(
        "importing the model did not end within {} s: load weights in setup(), not at the top of the file{}",
        timeout.as_secs(), section(output)
    )]
    Deadline {
        /// How long it had.
        timeout: Duration,
        /// The last lines that it wrote.
        output: String,
    },
    /// A file with a schema cannot be read.
    #[error("cannot read {}", path.display())]
    SchemaUnreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file with a schema is wrong.
    #[error("{} is not the schema of a model: {reason}. Correct it, or remove it and it is made anew", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The schema that was made is not one.
    #[error("the schema that Cog made is not complete: {0}. Put one into the folder as openapi_schema.json")]
    Incomplete(&'static str),
    /// The environment's Python could not be started.
    #[error("cannot run {}: is the environment still there?", python.display())]
    Start {
        /// The Python.
        python: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// An exception, as the script tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    kind: String,
    message: String,
    /// The module that could not be imported.
    module: Option<String>,
    traceback: String,
}

impl Failure {
    pub(super) fn into_error(self, config: &CogConfig, environment: &Environment) -> InspectError {
        let advice = self.advice(environment);
        // What Cog says about a model, and we, needs no name of an exception.
        let is_about_code = !self.traceback.contains("  File ");
        let message = match self.kind.as_str() {
            "NotFound" | "TypeError" | "ValueError" if is_about_code => self.message.clone(),
            kind if self.message.is_empty() => kind.to_owned(),
            kind => format!("{kind}: {}", self.message),
        };
        let traceback = if is_about_code { String::new() } else { self.traceback };
        InspectError::Model { reference: config.run.to_string(), message, advice, traceback }
    }

    fn advice(&self, environment: &Environment) -> Option<String> {
        let module = self.module.as_deref().map(|module| module.split('.').next().unwrap_or(module));
        match (self.kind.as_str(), module) {
            ("NotFound", _) => Some("correct `run` or `predict` in cog.yaml".to_owned()),
            (_, Some("cog")) => Some(format!(
                "this environment has Cog {}: name the version that the model was written for as build.sdk_version in cog.yaml",
                environment.cog_version
            )),
            ("ModuleNotFoundError", Some(module)) => Some(format!(
                "add the package that has {module:?} to the requirements in cog.yaml (python_requirements or python_packages)"
            )),
            ("SystemExit", _) => Some("a model must not exit while it is imported".to_owned()),
            _ if NOT_ANNOTATED.iter().any(|words| self.message.contains(words)) => Some(
                "annotate every input and what is returned, such as `prompt: str` and `-> str`".to_owned(),
            ),
            _ => None,
        }
    }
}

fn sentence(advice: Option<&str>) -> String {
    advice.map(|advice| format!(" ({advice})")).unwrap_or_default()
}

/// Lines below a message.
fn section(lines: &str) -> String {
    let mut text = String::new();
    for line in lines.lines() {
        let _ = write!(text, "\n{line}");
    }
    text
}
