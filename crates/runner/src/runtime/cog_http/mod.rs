//! Models that a Cog server runs somewhere: a container that was started by hand, another machine, an old model.
//!
//! Promises that whatever the server does, a run ends with its result or with a sentence that says why there is
//! none, and that nothing it has told is taken back. What a server can do is found out when it is first used. The
//! user's own webhook is never given to it, and of the callbacks that it makes, only those to addresses of one run
//! are believed. Starting and stopping servers is the business of whoever runs them; [`local`] runs those of models that
//! have nothing else.

mod address;
mod callbacks;
mod client;
mod connection;
mod facts;
mod feed;
mod health;
mod launch;
mod local;
mod refusal;
mod run;
mod seen;
mod server;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::json::Json;
use cogwire_core::time::Clock;

use crate::catalogue::{CatalogueEntry, Means, RunnableModel};
use crate::instances::Scale;
use crate::instances::boot::Boot;
use crate::instances::instance::BootError;
use crate::instances::plan::InstancePlan;
use address::Address;
pub use address::InvalidServerUrl;
pub use callbacks::{CallbackRegistry, Callbacks};
use launch::{Finder, LONGEST_PAUSE};
pub(crate) use local::LocalServers;

/// A Cog server that runs somewhere, and how it may be used.
#[derive(Clone)]
pub struct CogServer {
    /// Its URL, `http` or `https`.
    pub url: String,
    /// How many predictions it may be given at once. It does not say that itself.
    pub slots: usize,
    /// Where it can send what a prediction says before its end; `None` when nothing of ours can be reached from there.
    pub callbacks: Option<Callbacks>,
    /// How long it may take to be ready.
    pub setup_timeout: Duration,
    /// How long a cancelled prediction may go on.
    pub cancel_timeout: Duration,
}

/// What a server says about its model.
#[derive(Debug, Clone, PartialEq)]
pub struct CogFacts {
    /// Its OpenAPI document; `None` when it has none.
    pub openapi_schema: Option<Json>,
    /// Its version of Cog, where it says so.
    pub cog_version: Option<String>,
    /// What the model's setup said.
    pub setup_logs: String,
}

/// Why a server cannot be used, in a sentence.
#[derive(Debug, thiserror::Error)]
pub enum CogServerError {
    /// Its URL is none.
    #[error(transparent)]
    Url(#[from] InvalidServerUrl),
    /// It is not there, not ready, or not one of Cog's.
    #[error("{0}")]
    NotReady(String),
}

impl CogServer {
    /// Waits until the server is ready, and asks it about its model.
    ///
    /// # Errors
    /// When it is not ready in time, its setup has failed, or it is not a Cog server.
    pub async fn facts(&self, clock: Arc<dyn Clock>) -> Result<CogFacts, CogServerError> {
        let finder = self.finder(clock)?;
        let boot = Boot::default();
        let not_ready = |error: BootError| CogServerError::NotReady(error.to_string());
        let client = finder.client().map_err(not_ready)?;
        let found = finder.find(&client, &boot).await;
        client.close().await;
        let found = found.map_err(not_ready)?;
        Ok(CogFacts { openapi_schema: found.schema, cog_version: found.cog_version, setup_logs: boot.logs() })
    }

    fn finder(&self, clock: Arc<dyn Clock>) -> Result<Finder, InvalidServerUrl> {
        let address = Address::parse(&self.url)?;
        Ok(Finder { server: self.clone(), address, clock, known_schema: None, longest_pause: LONGEST_PAUSE })
    }
}

impl RunnableModel {
    /// A model that a Cog server runs. It is looked for when the first prediction comes.
    ///
    /// # Errors
    /// When its URL is none.
    pub fn cog_server(
        entry: CatalogueEntry,
        server: &CogServer,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidServerUrl> {
        let slots = server.slots.max(1);
        // There is one server. Forgetting it costs nothing, and what it can do is found out again.
        let scale = Scale { min: 0, max: 1, idle: Duration::from_secs(300) };
        let launcher = Arc::new(server.finder(clock)?);
        Ok(Self { entry, means: Means::Instances(InstancePlan { launcher, scale, slots }) })
    }
}
