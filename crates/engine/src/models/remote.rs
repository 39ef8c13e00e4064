//! Versions that a Cog server elsewhere runs.

use std::time::Duration;

use cogwire_core::model::Version;
use cogwire_runner::{CogFacts, CogServer, RunnableModel};

use super::Workshop;
use super::prepare::{Unprepared, entry_of};

/// How long a server that is being added may take to be ready. Whoever adds it looks on.
const PATIENCE: Duration = Duration::from_secs(60);

impl Workshop {
    /// What a server says about its model.
    pub(super) async fn ask_server(&self, url: &str, slots: u32) -> Result<CogFacts, Unprepared> {
        let server = self.cog_server(url, slots);
        let server = CogServer { setup_timeout: server.setup_timeout.min(PATIENCE), ..server };
        Ok(Box::pin(server.facts(self.config.surroundings.clock.clone())).await?)
    }

    pub(super) fn server(
        &self,
        version: &Version,
        url: &str,
        slots: u32,
    ) -> Result<RunnableModel, Unprepared> {
        let clock = self.config.surroundings.clock.clone();
        let model = RunnableModel::cog_server(entry_of(version), &self.cog_server(url, slots), clock);
        Ok(model.map_err(cogwire_runner::CogServerError::from)?)
    }

    fn cog_server(&self, url: &str, slots: u32) -> CogServer {
        let process = &self.config.process;
        CogServer {
            url: url.to_owned(),
            slots: slots as usize,
            callbacks: self.config.surroundings.callbacks.clone(),
            setup_timeout: process.setup_timeout,
            cancel_timeout: process.cancel_timeout,
        }
    }
}
