//! Counting how often a model is started, how that ends and how long it takes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cogwire_core::model::ModelName;
use cogwire_core::time::Clock;

use super::boot::Boot;
use super::instance::{BootError, Instance, Launcher};

/// A launcher whose starts are counted, those for trainings too. A start that is called off counts as none.
pub(super) struct Counted {
    model: ModelName,
    launcher: Arc<dyn Launcher>,
    clock: Arc<dyn Clock>,
}

impl Counted {
    pub(super) fn new(model: ModelName, launcher: Arc<dyn Launcher>, clock: Arc<dyn Clock>) -> Self {
        Self { model, launcher, clock }
    }

    fn count(&self, result: &'static str) {
        metrics::counter!("cogwire_model_starts_total", "model" => self.model.to_string(), "result" => result)
            .increment(1);
    }
}

#[async_trait]
impl Launcher for Counted {
    async fn launch(&self, boot: &Arc<Boot>) -> Result<Arc<dyn Instance>, BootError> {
        let begun = self.clock.monotonic();
        let launched = self.launcher.launch(boot).await;
        match &launched {
            Ok(_) => {
                self.count("ready");
                note_time(self.clock.monotonic().saturating_sub(begun));
            }
            Err(error) => self.count(class(error)),
        }
        launched
    }

    fn trainer(&self) -> Option<Arc<dyn Launcher>> {
        let launcher = self.launcher.trainer()?;
        Some(Arc::new(Self::new(self.model.clone(), launcher, Arc::clone(&self.clock))))
    }
}

/// Only starts that succeeded: a deadline or a failure at once says nothing of how long the next one will take.
fn note_time(took: Duration) {
    metrics::histogram!("cogwire_model_start_seconds").record(took);
}

const fn class(error: &BootError) -> &'static str {
    match error {
        BootError::Setup(_) => "setup",
        BootError::TimedOut(_) => "timed_out",
        BootError::Spawn { .. } => "spawn",
        BootError::Exited(_) => "exited",
        BootError::Unreachable(_) => "unreachable",
        BootError::Unsupported(_) => "unsupported",
    }
}
