//! Models that have a recipe: made of packages, or running on servers elsewhere.
//!
//! A version with a recipe is in the store for all nodes. Each node that runs models looks for those that it does not have
//! yet, fetches what they are made of, prepares them, and only then claims their predictions. Adding a model is the same
//! with a look at whether it works before anybody can use it.

mod add;
mod locks;
mod notice;
mod prepare;
mod remote;
mod standing;
mod train;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cogwire_core::model::ModelName;
use cogwire_files::Files;
use cogwire_package::{Environments, Limits};
use cogwire_runner::{ProcessConfig, Scale, Surroundings};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

pub use add::{AddError, NewPackage, NewServer};
pub(crate) use locks::Locks;
pub(crate) use standing::Noticed;
pub use standing::{ModelState, Unready};

/// How models are prepared on this node.
#[derive(Clone)]
pub struct ModelsConfig {
    /// Where packages are unpacked, weights are kept and environments are made.
    pub folder: PathBuf,
    /// Where Python and `uv` are looked for: a `PATH`.
    pub search_path: OsString,
    /// Whether another Python than the model names will do.
    pub any_python: bool,
    /// The most that a package may unpack to.
    pub limits: Limits,
    /// How many instances the versions of a model have.
    pub scale: Arc<dyn Fn(&ModelName) -> Scale + Send + Sync>,
    /// What holds for all processes of models.
    pub process: ProcessConfig,
    /// What those need of this program.
    pub surroundings: Surroundings,
}

/// How many models are prepared at once.
const MOST_AT_ONCE: usize = 4;

/// What is told while a model is added or prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Telling {
    /// What begins now, such as "installing the environment".
    Step(String),
    /// A line of an installer or of the model's setup.
    Log(String),
    /// What the model asks for and does not get.
    Warning(String),
}

/// Somebody who is told. Nobody waits for them: what they are too slow for is lost.
#[derive(Debug, Clone)]
pub struct Tell(Option<mpsc::Sender<Telling>>);

impl Tell {
    /// What waits for a listener at most.
    const QUEUE: usize = 1000;

    /// A listener, and who tells it.
    pub fn channel() -> (Self, mpsc::Receiver<Telling>) {
        let (sender, receiver) = mpsc::channel(Self::QUEUE);
        (Self(Some(sender)), receiver)
    }

    /// Nobody.
    pub fn nobody() -> Self {
        Self(None)
    }

    pub(crate) fn step(&self, text: impl fmt::Display) {
        self.say(Telling::Step(text.to_string()));
    }

    pub(crate) fn log(&self, line: impl Into<String>) {
        self.say(Telling::Log(line.into()));
    }

    pub(crate) fn warning(&self, text: impl Into<String>) {
        self.say(Telling::Warning(text.into()));
    }

    fn say(&self, telling: Telling) {
        if let Some(sender) = &self.0 {
            let _ = sender.try_send(telling);
        }
    }
}

/// Where versions with a recipe become something that runs.
pub(crate) struct Workshop {
    config: ModelsConfig,
    files: Arc<Files>,
    environments: Environments,
    /// Few models are prepared at once, because installers take all there is of a machine; and more than one, because an
    /// installation may take long.
    places: Semaphore,
}

impl Workshop {
    pub(crate) fn new(config: ModelsConfig, files: Arc<Files>) -> Self {
        let environments =
            Environments::new(home_of_environments(&config.folder), config.search_path.clone());
        Self { config, files, environments, places: Semaphore::new(MOST_AT_ONCE) }
    }

    /// Waits until there is room to prepare a model.
    async fn place(&self) -> SemaphorePermit<'_> {
        self.places.acquire().await.expect("it is never closed")
    }
}

/// The folder itself, whatever links lead to it: an environment works only under the path where it was made, so several data
/// directories that share one folder must give it one name.
fn home_of_environments(data_dir: &Path) -> PathBuf {
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
    real(real(data_dir.to_owned()).join("environments"))
}
