//! Servers of our own: Cog's HTTP server, started for one model that cannot be run in another way.
//!
//! Such a server chooses its port and says which one it is, listens on the loopback address only, and is a child process with
//! a group of its own. Beside what every server of Cog can do, it is known why it ended: `serve.py` lets it end as its
//! model's process has ended.

mod instance;
mod start;
mod voice;

use std::sync::Arc;

use async_trait::async_trait;

use crate::instances::boot::Boot;
use crate::instances::instance::{BootError, Instance, Launcher};
use crate::runtime::cog_model::{CogModel, ProcessConfig, Surroundings};
use start::Starting;

/// Starts servers of one model.
pub(crate) struct LocalServers {
    model: CogModel,
    config: ProcessConfig,
    surroundings: Surroundings,
}

impl LocalServers {
    pub(crate) fn new(model: CogModel, config: ProcessConfig, surroundings: Surroundings) -> Self {
        Self { model, config, surroundings }
    }
}

#[async_trait]
impl Launcher for LocalServers {
    async fn launch(&self, boot: &Arc<Boot>) -> Result<Arc<dyn Instance>, BootError> {
        let mut starting = Starting::begin(self, boot).await?;
        let ready = tokio::select! {
            ready = starting.ready(self, boot) => ready,
            () = self.surroundings.clock.sleep(self.config.setup_timeout) => {
                Err(BootError::TimedOut(self.config.setup_timeout))
            }
        };
        match ready {
            Ok(ready) => Ok(Arc::new(starting.finish(self, ready).await)),
            Err(error) => {
                starting.abandon().await;
                Err(error)
            }
        }
    }
}
