//! Noticing which versions there are to run, preparing them, and forgetting those that have gone.

use std::sync::Arc;

use cogwire_core::id::VersionId;
use cogwire_core::model::Version;
use cogwire_runner::RunnableModel;
use cogwire_store as store;
use cogwire_store::Signal;

use super::Tell;
use crate::Shared;
use crate::driver::Round;
use crate::error::with_causes;

/// Notices the end of a preparation, however it ends.
struct Attempt {
    shared: Arc<Shared>,
    version: VersionId,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared.noticed.abandon(&self.version);
    }
}

impl Shared {
    /// Compares what there is to run with what runs here.
    pub(crate) async fn look_for_models(self: &Arc<Self>) -> store::Result<Round> {
        if self.workshop.is_none() || self.soft.is_cancelled() {
            return Ok(Round::Done);
        }
        let versions = self.store.runnable().await?;
        for version in self.noticed.beyond(&versions) {
            // It may have been added after the look.
            if self.store.version(&version).await?.is_none() {
                self.forget_model(&version).await;
            }
        }
        for version in self.noticed.unattended(&versions, self.clock.now()) {
            match self.store.version(&version).await {
                Ok(Some(version)) => self.begin_to_prepare(version),
                Ok(None) => {}
                Err(error) if error.is_temporary() => return Err(error),
                // One that cannot be read must not keep the others from running.
                Err(error) => self.cannot_read(&version, &error),
            }
        }
        Ok(Round::Done)
    }

    fn cannot_read(&self, version: &VersionId, error: &store::Error) {
        let cause = with_causes(error);
        tracing::error!(%version, error = cause, "a version cannot be read; it is tried again");
        self.noticed.fail(version, cause, self.clock.now());
    }

    fn begin_to_prepare(self: &Arc<Self>, version: Version) {
        self.noticed.begin(&version);
        let shared = self.clone();
        let attempt = Attempt { shared: self.clone(), version: version.id.clone() };
        self.tracker.spawn(async move {
            let _attempt = attempt;
            let stop = shared.soft.clone();
            // What is cut off by a stop is begun again by the next start.
            stop.run_until_cancelled(Box::pin(shared.prepare_noticed(version))).await;
        });
    }

    async fn prepare_noticed(&self, version: Version) {
        let Some(workshop) = &self.workshop else { return };
        match workshop.prepare(&version, &Tell::nobody()).await {
            Ok(model) => {
                tracing::info!(model = %version.model, version = %version.id, "a model is ready");
                self.take_in(model, &version).await;
            }
            Err(error) => {
                let cause = with_causes(&error);
                tracing::error!(model = %version.model, version = %version.id, error = cause, "a model cannot be prepared; it is tried again");
                self.noticed.fail(&version.id, cause, self.clock.now());
            }
        }
    }

    /// Runs a model from now on.
    pub(super) async fn take_in(&self, model: RunnableModel, version: &Version) {
        // What was created meanwhile comes before what is created from now on.
        self.backlog.expect(&version.id);
        self.runner.add(model);
        self.noticed.ready(version);
        self.announce_models().await;
        self.work.notify_one();
    }

    /// Runs a model no longer, and removes what was made of it here.
    pub(super) async fn forget_model(&self, version: &VersionId) {
        self.runner.remove(version);
        let parts = self.noticed.gone(version);
        self.announce_models().await;
        for part in parts {
            let _turn = self.parts.turn(&part).await;
            self.forget_unused(&part).await;
        }
    }

    /// Removes what was made here of models that went while this node was not there.
    pub(crate) async fn forget_gone_parts(&self) {
        let Some(workshop) = &self.workshop else { return };
        match workshop.parts_here().await {
            Ok(parts) => {
                for part in parts {
                    self.forget_unused(&part).await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "what is left of models that are gone could not be looked for");
            }
        }
    }

    /// Tells the other nodes what this one runs. A heartbeat tells it again when that is lost.
    pub(super) async fn announce_models(&self) {
        if let Err(error) = self.store.announce(&self.node, &self.served_here()).await {
            tracing::warn!(%error, "the other nodes do not know yet which models run here");
        }
        self.store.signal(Signal::Nodes);
    }
}
