//! Noticing which versions there are to run, and preparing them one after the other.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cogwire_core::id::VersionId;
use cogwire_core::model::ModelName;
use cogwire_core::time::Timestamp;
use cogwire_store as store;
use cogwire_store::Signal;

use super::Tell;
use crate::driver::Round;
use crate::error::with_causes;
use crate::{Engine, Shared};

/// How long a version that could not be prepared is left alone: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

/// A version that this node should run and does not run yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelState {
    /// Its model.
    pub model: ModelName,
    /// Which version.
    pub version: VersionId,
    /// How it stands.
    pub unready: Unready,
}

/// Why a version does not run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unready {
    /// It is being fetched, or its environment is being made.
    Preparing,
    /// It could not be prepared; the text says why.
    Failed(String),
}

/// How the versions with a recipe stand on this node.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    versions: Mutex<HashMap<VersionId, Standing>>,
    /// Grows after every change that this node has made or seen.
    edition: AtomicU64,
}

#[derive(Debug)]
enum Standing {
    Preparing(ModelName),
    Ready,
    Failed { model: ModelName, cause: String, again_at: Timestamp, pause: Duration },
}

impl Noticed {
    fn lock(&self) -> MutexGuard<'_, HashMap<VersionId, Standing>> {
        // The map is whole after every statement.
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A version runs here by now.
    pub(crate) fn ready(&self, version: &VersionId) {
        self.lock().insert(version.clone(), Standing::Ready);
        self.edition.fetch_add(1, Ordering::AcqRel);
    }

    /// A version is gone.
    pub(crate) fn gone(&self, version: &VersionId) {
        self.lock().remove(version);
        self.edition.fetch_add(1, Ordering::AcqRel);
    }

    /// Those that are not looked after at `now`.
    fn unattended(&self, versions: &[VersionId], now: Timestamp) -> Vec<VersionId> {
        let known = self.lock();
        let waits = |version: &&VersionId| match known.get(*version) {
            None => true,
            Some(Standing::Failed { again_at, .. }) => *again_at <= now,
            Some(_) => false,
        };
        versions.iter().filter(waits).cloned().collect()
    }

    /// Those that are known and not among these.
    fn beyond(&self, versions: &[VersionId]) -> Vec<VersionId> {
        let there: HashSet<&VersionId> = versions.iter().collect();
        let known = self.lock();
        let gone = known.iter().filter(|(version, standing)| {
            // One that is being prepared is looked at again when it is ready.
            !there.contains(version) && !matches!(standing, Standing::Preparing(_))
        });
        gone.map(|(version, _)| version.clone()).collect()
    }

    fn begin(&self, version: &VersionId, model: &ModelName) -> Duration {
        let before = self.lock().insert(version.clone(), Standing::Preparing(model.clone()));
        match before {
            Some(Standing::Failed { pause, .. }) => (pause * 2).min(RETRY.1),
            _ => RETRY.0,
        }
    }

    fn fail(&self, version: &VersionId, failed: Standing) {
        self.lock().insert(version.clone(), failed);
    }
}

impl Engine {
    /// Changes whenever this node has made, removed or noticed a version. What the store said under another edition may
    /// be out of date.
    pub fn models_edition(&self) -> u64 {
        self.0.noticed.edition.load(Ordering::Acquire)
    }

    /// The versions with a recipe that this node does not run yet, and why.
    pub fn unready_models(&self) -> Vec<ModelState> {
        let known = self.0.noticed.lock();
        let state = |(version, standing): (&VersionId, &Standing)| {
            let (model, unready) = match standing {
                Standing::Ready => return None,
                Standing::Preparing(model) => (model, Unready::Preparing),
                Standing::Failed { model, cause, .. } => (model, Unready::Failed(cause.clone())),
            };
            Some(ModelState { model: model.clone(), version: version.clone(), unready })
        };
        let mut states: Vec<ModelState> = known.iter().filter_map(state).collect();
        states.sort_unstable_by(|a, b| (&a.model, a.version.as_str()).cmp(&(&b.model, b.version.as_str())));
        states
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
            self.forget_model(&version).await?;
        }
        for version in self.noticed.unattended(&versions, self.clock.now()) {
            self.begin_to_prepare(&version).await?;
        }
        Ok(Round::Done)
    }

    async fn begin_to_prepare(self: &Arc<Self>, id: &VersionId) -> store::Result<()> {
        let Some(version) = self.store.version(id).await? else { return Ok(()) };
        let pause = self.noticed.begin(id, &version.model);
        let shared = self.clone();
        self.tracker.spawn(async move {
            let stop = shared.soft.clone();
            // What is cut off by a stop is begun again by the next start.
            stop.run_until_cancelled(Box::pin(shared.prepare_noticed(version, pause))).await;
        });
        Ok(())
    }

    async fn prepare_noticed(&self, version: cogwire_core::model::Version, pause: Duration) {
        let Some(workshop) = &self.workshop else { return };
        match workshop.prepare(&version, &Tell::nobody()).await {
            Ok(model) => {
                tracing::info!(model = %version.model, version = %version.id, "a model is ready");
                self.take_in(model, &version.id).await;
            }
            Err(error) => {
                let cause = with_causes(&error);
                tracing::error!(model = %version.model, version = %version.id, error = cause, "a model cannot be prepared; it is tried again");
                let again_at = self.clock.now() + pause;
                let model = version.model.clone();
                self.noticed.fail(&version.id, Standing::Failed { model, cause, again_at, pause });
            }
        }
    }

    /// Runs a model from now on.
    pub(crate) async fn take_in(&self, model: cogwire_runner::RunnableModel, version: &VersionId) {
        self.runner.add(model);
        self.noticed.ready(version);
        self.announce_models().await;
        // What was created for it may wait already.
        self.work.notify_one();
    }

    /// Runs a model no longer.
    pub(crate) async fn forget_model(&self, version: &VersionId) -> store::Result<()> {
        self.runner.remove(version);
        self.noticed.gone(version);
        self.announce_models().await;
        Ok(())
    }

    /// Tells the other nodes what this one runs. A heartbeat tells it again when that is lost.
    pub(super) async fn announce_models(&self) {
        if let Err(error) = self.store.announce(&self.node, &self.served_here()).await {
            tracing::warn!(%error, "the other nodes do not know yet which models run here");
        }
        self.store.signal(Signal::Nodes);
    }
}
