//! Starts worker processes of one model.

use std::sync::Arc;

use async_trait::async_trait;
use cogwire_core::input::OutputForm;
use cogwire_core::time::{Clock, Entropy};
use tokio_util::task::TaskTracker;

use super::input::Optional;
use super::start::Starting;
use super::version::worker_of;
use super::{CogModel, ProcessConfig};
use crate::instances::boot::Boot;
use crate::instances::instance::{BootError, Instance, Launcher};

/// What model processes need of the program around them.
#[derive(Clone)]
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for secrets between this program and the processes.
    pub entropy: Arc<dyn Entropy>,
    /// Has the tasks that read from processes and wait for them.
    pub tracker: TaskTracker,
}

/// Starts processes of one model, all of them to predict or all of them to train.
pub(crate) struct CogWorkers {
    pub(super) model: CogModel,
    pub(super) config: ProcessConfig,
    pub(super) surroundings: Surroundings,
    /// `file.py:Name`.
    pub(super) reference: String,
    pub(super) trains: bool,
    pub(super) form: OutputForm,
    pub(super) optional: Arc<Optional>,
}

impl CogWorkers {
    /// Processes that predict.
    pub(crate) fn predicting(model: CogModel, config: ProcessConfig, surroundings: Surroundings) -> Self {
        let form = OutputForm::of(&model.schema);
        let optional = Arc::new(Optional::of(&model.schema, "Input"));
        let reference = model.predictor.clone();
        Self { model, config, surroundings, reference, trains: false, form, optional }
    }

    /// Processes that train, each of which is stopped after one training; `None` when the model cannot be trained.
    pub(crate) fn training(
        model: CogModel,
        config: ProcessConfig,
        surroundings: Surroundings,
    ) -> Option<Self> {
        let reference = model.train.clone()?;
        let optional = Arc::new(Optional::of(&model.schema, "TrainingInput"));
        let model = CogModel { slots: 1, is_async: false, ..model };
        let form = OutputForm::Value;
        Some(Self { model, config, surroundings, reference, trains: true, form, optional })
    }
}

#[async_trait]
impl Launcher for CogWorkers {
    fn trainer(&self) -> Option<Arc<dyn Launcher>> {
        let (model, config, surroundings) =
            (self.model.clone(), self.config.clone(), self.surroundings.clone());
        Self::training(model, config, surroundings).map(|launcher| Arc::new(launcher) as Arc<dyn Launcher>)
    }

    async fn launch(&self, boot: &Boot) -> Result<Arc<dyn Instance>, BootError> {
        worker_of(&self.model.cog_version)?;
        let mut starting = Starting::begin(self)?;
        let ready = tokio::select! {
            ready = starting.ready(self, boot) => ready,
            () = self.surroundings.clock.sleep(self.config.setup_timeout) => {
                Err(BootError::TimedOut(self.config.setup_timeout))
            }
        };
        match ready {
            Ok(ready) => Ok(Arc::new(starting.finish(self, ready))),
            Err(error) => {
                starting.abandon().await;
                Err(error)
            }
        }
    }
}
