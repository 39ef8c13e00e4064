//! Starts worker processes of one model.

use std::sync::Arc;

use async_trait::async_trait;
use cogwire_core::input::OutputForm;

use super::start::Starting;
use crate::instances::boot::Boot;
use crate::instances::instance::{BootError, Instance, Launcher};
use crate::runtime::cog_model::{CogModel, Optional, ProcessConfig, Surroundings};

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

    async fn launch(&self, boot: &Arc<Boot>) -> Result<Arc<dyn Instance>, BootError> {
        let mut starting = Starting::begin(self).await?;
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
