//! Starts a model in the way that its Cog allows.

use std::sync::Arc;

use async_trait::async_trait;

use super::version::cannot_train;
use super::{CogModel, ProcessConfig, Surroundings, Worker, worker_of};
use crate::instances::boot::Boot;
use crate::instances::instance::{BootError, Instance, Launcher};
use crate::runtime::cog_http::LocalServers;
use crate::runtime::cog_worker::CogWorkers;

/// Starts processes of one model.
pub(super) struct CogProcesses {
    cog_version: String,
    is_trainable: bool,
    workers: CogWorkers,
    servers: LocalServers,
}

impl CogProcesses {
    pub(super) fn new(model: CogModel, config: ProcessConfig, surroundings: Surroundings) -> Self {
        Self {
            cog_version: model.cog_version.clone(),
            is_trainable: model.train.is_some(),
            servers: LocalServers::new(model.clone(), config.clone(), surroundings.clone()),
            workers: CogWorkers::predicting(model, config, surroundings),
        }
    }
}

#[async_trait]
impl Launcher for CogProcesses {
    async fn launch(&self, boot: &Arc<Boot>) -> Result<Arc<dyn Instance>, BootError> {
        match worker_of(&self.cog_version) {
            Worker::Known => self.workers.launch(boot).await,
            Worker::Missing => self.servers.launch(boot).await,
            Worker::Unknown => match self.workers.launch(boot).await {
                Err(BootError::Unsupported(reason)) => {
                    tracing::warn!("{reason}; the model runs behind its own HTTP server instead");
                    self.servers.launch(boot).await
                }
                launched => launched,
            },
        }
    }

    fn trainer(&self) -> Option<Arc<dyn Launcher>> {
        match worker_of(&self.cog_version) {
            Worker::Missing => {
                let untrainable = Untrainable { cog_version: self.cog_version.clone() };
                self.is_trainable.then(|| Arc::new(untrainable) as Arc<dyn Launcher>)
            }
            Worker::Known | Worker::Unknown => self.workers.trainer(),
        }
    }
}

/// Says why a model with a training cannot be trained.
struct Untrainable {
    cog_version: String,
}

#[async_trait]
impl Launcher for Untrainable {
    async fn launch(&self, _boot: &Arc<Boot>) -> Result<Arc<dyn Instance>, BootError> {
        Err(cannot_train(&self.cog_version))
    }
}
