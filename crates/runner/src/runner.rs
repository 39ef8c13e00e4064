//! From a version to the runtime that runs it, and from a job to a run.
//!
//! Owns the table of versions and nothing else: which model runs how is the business of [`crate::runtime`], and how a
//! model speaks that of [`crate::reporter`].

use std::collections::HashMap;
use std::sync::Arc;

use cogwire_core::id::VersionId;
use cogwire_core::time::Clock;
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalogue::{CatalogueEntry, RunnableModel};
use crate::reporter::Reporter;
use crate::runtime::{Runtime, builtin};
use crate::{EVENT_QUEUE, Job, Run, Scripts};

/// Runs the versions that it knows.
pub struct Runner {
    catalogue: Vec<CatalogueEntry>,
    runtimes: HashMap<VersionId, Runtime>,
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
}

/// No model here has this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this node does not run version {0}")]
pub struct UnknownVersion(pub VersionId);

impl Runner {
    /// A runner for `models`. The first model that claims a version runs it, and a model that is left without a
    /// version does not appear. Runs are tasks on `tracker` and sleep on `clock`.
    pub fn new(models: Vec<RunnableModel>, clock: Arc<dyn Clock>, tracker: TaskTracker) -> Self {
        let mut runner = Self { catalogue: Vec::new(), runtimes: HashMap::new(), clock, tracker };
        for model in models {
            runner.add(model);
        }
        runner
    }

    /// A runner for `scripts` and the built-in models. A script that claims the version of a built-in model replaces it,
    /// and a script that has only its name is that model's latest version.
    pub fn builtin_and_scripts(scripts: Scripts, clock: Arc<dyn Clock>, tracker: TaskTracker) -> Self {
        let mut models = scripts.into_models();
        models.extend(builtin::models());
        Self::new(models, clock, tracker)
    }

    /// Starts a run. Its events come through a channel of [`EVENT_QUEUE`] places; the run stops when `cancel` is
    /// cancelled, and when the channel is dropped.
    ///
    /// # Errors
    /// When no model here has the version.
    pub fn start(&self, job: Job, cancel: CancellationToken) -> Result<Run, UnknownVersion> {
        let runtime =
            self.runtimes.get(&job.version).ok_or_else(|| UnknownVersion(job.version.clone()))?.clone();
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let reporter = Reporter::new(sender, cancel, Arc::clone(&self.clock));
        let mut work = Box::pin(async move {
            let outcome = runtime.run(&job, &reporter).await;
            reporter.end(outcome).await;
        });
        // A model that never waits is done after one poll: it costs no task, and its events are all there at once.
        if work.as_mut().now_or_never().is_none() {
            self.tracker.spawn(work);
        }
        Ok(Run { events })
    }

    /// The models, scripts first. Where a model has several entries, the versions of the earlier one are newer.
    pub fn catalogue(&self) -> Vec<CatalogueEntry> {
        self.catalogue.clone()
    }

    /// Whether a job for this version would start.
    pub fn serves(&self, version: &VersionId) -> bool {
        self.runtimes.contains_key(version)
    }

    /// Every version that would start, in the order of the catalogue.
    pub fn versions(&self) -> impl Iterator<Item = &VersionId> {
        self.catalogue.iter().flat_map(|entry| &entry.versions)
    }

    fn add(&mut self, model: RunnableModel) {
        let RunnableModel { mut entry, runtime } = model;
        entry.versions.retain(|version| !self.runtimes.contains_key(version));
        if entry.versions.is_empty() {
            return;
        }
        self.runtimes.extend(entry.versions.iter().map(|version| (version.clone(), runtime.clone())));
        self.catalogue.push(entry);
    }
}
