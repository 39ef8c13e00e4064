//! Runs Cog models as processes of this machine, without a container and without Cog's HTTP server.
//!
//! Speaks to the worker that Cog's server would start: a control channel on its standard streams, and a socket for
//! each slot. So every line and every token is seen when it is said, files are seen as files, and how a process ended
//! is known. A file of ours, `shim.py`, stands between the worker and the model and repairs what the worker loses.
//! Where the environment of a model comes from is not known here.

mod control;
mod frames;
mod handover;
mod input;
mod launcher;
mod life;
mod mark;
mod metrics;
mod output;
mod private;
mod protocol;
mod run;
mod runnable;
mod start;
mod variables;
mod version;
mod worker;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use cogwire_core::json::Json;

pub(crate) use launcher::CogWorkers;
pub use launcher::Surroundings;

/// A Cog model in a folder, with the environment that it needs.
#[derive(Debug, Clone)]
pub struct CogModel {
    /// Where its files are. The model runs in it.
    pub folder: PathBuf,
    /// The folder with the `python` of its environment.
    pub bin: PathBuf,
    /// Variables that it wants, by name.
    pub variables: Vec<(String, String)>,
    /// What predicts: `file.py:Name`, the path from `folder`.
    pub predictor: String,
    /// What trains, in the same form, if the model can be trained.
    pub train: Option<String>,
    /// Whether what predicts is `async`. Only such models have more than one slot.
    pub is_async: bool,
    /// How many predictions one process runs at once; at least one.
    pub slots: usize,
    /// The version of the package `cog` in the environment.
    pub cog_version: String,
    /// Weights that replace those of the model, which its setup is told about.
    pub weights: Option<PathBuf>,
    /// Its OpenAPI document.
    pub schema: Json,
}

/// What holds for all model processes.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// How long a model may take to become ready.
    pub setup_timeout: Duration,
    /// How long a cancelled prediction may take to end before its process is killed.
    pub cancel_timeout: Duration,
    /// How long a process may take to stop before it is killed.
    pub stop_grace: Duration,
    /// How many bytes of addresses a process may use, on systems that can limit it.
    pub memory_limit: Option<u64>,
    /// More variables of this program that models see, by name.
    pub passed_on: Vec<String>,
    /// A folder of this server alone, for what processes need while they run. What is in it when the server starts
    /// can be deleted.
    pub work_dir: PathBuf,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            setup_timeout: Duration::from_secs(600),
            cancel_timeout: Duration::from_secs(10),
            stop_grace: Duration::from_secs(10),
            memory_limit: None,
            passed_on: Vec::new(),
            work_dir: std::env::temp_dir(),
        }
    }
}
