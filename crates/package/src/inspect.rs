//! What a model takes and gives, and how it runs.
//!
//! Owns where the schema comes from: a file in the folder, or else a script of ours that imports the model in its
//! environment and asks Cog about it. What the model writes meanwhile is only read to explain a failure.

mod error;
mod schema;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cogwire_core::json::Json;
use cogwire_core::variables;
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

pub use error::InspectError;

use crate::child::{self, Ended, Tail};
use crate::config::CogConfig;
use crate::environment::Environment;
use error::Failure;

const SCRIPT: &str = concat!(include_str!("inspect/document.py"), include_str!("inspect/inspect.py"));

/// How long a model may take to be imported.
const TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// What was found out about a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its OpenAPI document, with `Input` and `Output` among its components.
    pub schema: Json,
    /// Where the document comes from.
    pub source: SchemaSource,
    /// Whether it is a coroutine: only then it can run several predictions at once.
    pub is_async: bool,
    /// How many predictions it can run at once: what `cog.yaml` says, else what its decorator says, else 1.
    pub concurrency: u32,
}

/// Where a schema comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaSource {
    /// This file in the model's folder.
    File(&'static str),
    /// The model's code, with the Cog of its environment.
    Code,
}

/// How a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// As in [`Inspection`].
    pub is_async: bool,
    /// As in [`Inspection`].
    pub concurrency: u32,
}

/// Finds out about the model in a folder. The model is imported, unless its schema is in the folder and its code says
/// plainly how it runs. `passed_on` names variables of this program that models see besides those that all see.
///
/// # Errors
/// When the model cannot be imported or described, with its own traceback, and when a schema in the folder is none.
pub async fn inspect(
    environment: &Environment,
    folder: &Path,
    config: &CogConfig,
    passed_on: &[String],
) -> Result<Inspection, InspectError> {
    let in_folder = schema::in_folder(folder).await?;
    let found = ask(environment, folder, config, passed_on, in_folder.is_none()).await?;
    let Manner { is_async, concurrency } = found.manner(config);
    let (schema, source) = match (in_folder, found.schema) {
        (Some((name, schema)), _) => (schema, SchemaSource::File(name)),
        (None, Some(schema)) => {
            (schema::check(&schema).map_err(InspectError::Incomplete)?, SchemaSource::Code)
        }
        (None, None) => return Err(InspectError::Incomplete("it is not there")),
    };
    Ok(Inspection { schema, source, is_async, concurrency })
}

/// Finds out how the model runs, whose schema is known. Takes as long as reading its text, unless the text does not
/// say it: then the model is imported, with the variables that [`inspect`] gives it.
///
/// # Errors
/// When the text is not Python, and when a model that has to be imported cannot be.
pub async fn how_it_runs(
    environment: &Environment,
    folder: &Path,
    config: &CogConfig,
    passed_on: &[String],
) -> Result<Manner, InspectError> {
    ask(environment, folder, config, passed_on, false).await.map(|found| found.manner(config))
}

/// What the script writes.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Found(Found),
    Failed(Failure),
}

#[derive(Deserialize)]
struct Found {
    is_async: bool,
    concurrency: Option<u32>,
    schema: Option<Value>,
}

impl Found {
    fn manner(&self, config: &CogConfig) -> Manner {
        let concurrency = config.concurrency.or(self.concurrency).unwrap_or(1);
        Manner { is_async: self.is_async, concurrency }
    }
}

async fn ask(
    environment: &Environment,
    folder: &Path,
    config: &CogConfig,
    passed_on: &[String],
    wants_schema: bool,
) -> Result<Found, InspectError> {
    let start = |source| InspectError::Start { python: environment.python.clone(), source };
    let work = tempfile::Builder::new().prefix("cogwire-inspect-").tempdir().map_err(start)?;
    let result = work.path().join("result.json");
    let mut command = command(environment, config, passed_on);
    command.current_dir(folder).args(["-c", SCRIPT]).arg(&result).arg(config.run.to_string());
    command.args([train_of(config).as_str(), if wants_schema { "schema" } else { "syntax" }]);
    let mut tail = Tail::default();
    let ended = child::run(command, TIMEOUT, |line| tail.push(line)).await.map_err(start)?;
    match tokio::fs::read(&result).await {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(Outcome::Found(found)) => Ok(found),
            Ok(Outcome::Failed(failure)) => Err(failure.into_error(config, environment)),
            Err(_) => Err(InspectError::Incomplete("it cannot be read")),
        },
        Err(_) => Err(without_result(ended, tail)),
    }
}

fn without_result(ended: Ended, tail: Tail) -> InspectError {
    let output = tail.into_text();
    match ended {
        Ended::Deadline => InspectError::Deadline { timeout: TIMEOUT, output },
        Ended::Exit(status) => InspectError::Died { status, output },
    }
}

/// The environment's Python. The model sees what it will see when it runs, and nothing of the server's own environment.
fn command(environment: &Environment, config: &CogConfig, passed_on: &[String]) -> Command {
    let mut command = Command::new(&environment.python);
    command.stdin(Stdio::null()).env_clear();
    command.envs(variables::of_model(&environment.bin, passed_on, |name| std::env::var_os(name)));
    command.envs(std::env::var_os("TMPDIR").map(|folder| ("TMPDIR", folder)));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("COG_PREDICT_TYPE_STUB", config.run.to_string());
    if config.train.is_some() {
        command.env("COG_TRAIN_TYPE_STUB", train_of(config));
    }
    command.envs(config.environment.iter().map(|(name, value)| (name, value)));
    command
}

/// What trains; empty when nothing does.
fn train_of(config: &CogConfig) -> String {
    config.train.as_ref().map(ToString::to_string).unwrap_or_default()
}
