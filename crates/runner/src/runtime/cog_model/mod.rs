//! Cog models in folders, which run as processes of this machine.
//!
//! Owns what is known of such a model, and which of two ways runs it: as a worker that is spoken to directly
//! ([`super::cog_worker`]), or behind the HTTP server of its own Cog ([`super::cog_http`]), when that is all it has. Holds what
//! both ways need.

mod input;
mod launcher;
mod life;
pub(super) mod private;
mod runnable;
pub(super) mod variables;
mod version;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::json::Json;
use cogwire_core::time::{Clock, Entropy};
use tokio_util::task::TaskTracker;

use super::cog_http::Callbacks;
pub(super) use input::Optional;
pub(super) use life::{Life, NOT_CANCELLED};
pub(super) use version::{Worker, not_understood, worker_of};

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

/// What model processes need of the program around them.
#[derive(Clone)]
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for secrets between this program and the processes.
    pub entropy: Arc<dyn Entropy>,
    /// Has the tasks that read from processes and wait for them.
    pub tracker: TaskTracker,
    /// Where Cog's servers say what a prediction does before its end; `None` when nothing of ours can be reached by
    /// them.
    pub callbacks: Option<Callbacks>,
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
