//! What a prediction waits for that has not begun: others before it, or its model's start.

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::{Prediction, State};
use cogwire_runner::BootProgress;
use cogwire_store as store;

use crate::{Engine, Shared};

/// How far a prediction is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It waits until an instance takes it, after this many others of its version. More than some are not counted.
    Queued {
        /// How many are before it.
        ahead: u64,
        /// Whether any live node runs its version.
        served: bool,
    },
    /// An instance has taken it, or will; on this node, this is how far the instance is.
    Booting(Option<BootProgress>),
    /// The model works on it.
    Running,
    /// It is over.
    Ended,
}

impl Engine {
    /// How far a prediction is.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn progress(&self, prediction: &Prediction) -> store::Result<Progress> {
        match prediction.state {
            State::Processing { .. } => Ok(Progress::Running),
            State::Ended(_) => Ok(Progress::Ended),
            State::Starting => self.0.waiting(prediction.id(), prediction).await,
        }
    }
}

impl Shared {
    async fn waiting(&self, id: PredictionId, prediction: &Prediction) -> store::Result<Progress> {
        let version = &prediction.request.version;
        match self.store.queue_position(id).await? {
            Some(ahead) => Ok(Progress::Queued { ahead, served: self.is_served(version).await? }),
            None => Ok(Progress::Booting(self.runner.boot_progress(version))),
        }
    }
}
