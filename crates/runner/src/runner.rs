//! From a version to the runtime that runs it, and from a job to a run.
//!
//! Owns the table of versions, which changes while it is used, and nothing else: which model runs how is the
//! business of [`crate::runtime`], and how a model speaks that of [`crate::reporter`].

mod table;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cogwire_core::id::VersionId;
use cogwire_core::time::Clock;
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalogue::{CatalogueEntry, Means, RunnableModel};
use crate::declared::Declared;
use crate::instances::{BootProgress, InstanceReport, WarmUp};
use crate::process;
use crate::reporter::Reporter;
use crate::runtime::{Runtime, builtin};
use crate::{EVENT_QUEUE, Job, Run, Scripts};
use table::{Served, Table};

/// Runs the versions that it knows.
pub struct Runner {
    table: RwLock<Table>,
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
}

/// No model here has this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this node does not run version {0}")]
pub struct UnknownVersion(pub VersionId);

impl Runner {
    /// A runner for `models`, which are its catalogue. The first model that claims a version runs it, and a model
    /// that is left without a version does not appear. Runs are tasks on `tracker` and sleep on `clock`.
    pub fn new(models: Vec<RunnableModel>, clock: Arc<dyn Clock>, tracker: TaskTracker) -> Self {
        let runner = Self { table: RwLock::default(), clock, tracker };
        for model in models {
            if let Some(entry) = runner.serve(model) {
                runner.write().catalogue.push(entry);
            }
        }
        runner
    }

    /// A runner for `scripts` and the built-in models. A script that claims the version of a built-in model
    /// replaces it, and a script that has only its name is that model's latest version.
    pub fn builtin_and_scripts(scripts: Scripts, clock: Arc<dyn Clock>, tracker: TaskTracker) -> Self {
        let mut models = scripts.into_models();
        models.extend(builtin::models());
        Self::new(models, clock, tracker)
    }

    /// Serves one more model, outside of the catalogue; false when all its versions are served already, and once
    /// [`Runner::stop`] has begun. Where its instances are to be kept, the first is started now. It must be called
    /// inside the runtime that runs the models.
    pub fn add(&self, model: RunnableModel) -> bool {
        self.serve(model).is_some()
    }

    /// Serves a version no longer; false when it was not served. Runs that were started go on to their end, and
    /// then the instances are stopped.
    pub fn remove(&self, version: &VersionId) -> bool {
        self.write().remove(version)
    }

    /// Starts a run. Its events come through a channel of [`EVENT_QUEUE`] places; the run stops when `cancel` is
    /// cancelled, and when the channel is dropped.
    ///
    /// # Errors
    /// When no model here has the version.
    pub fn start(&self, mut job: Job, cancel: CancellationToken) -> Result<Run, UnknownVersion> {
        let served = self.read().served.get(&job.version).cloned();
        let Served { runtime, declared, .. } = served.ok_or_else(|| UnknownVersion(job.version.clone()))?;
        if let Some(declared) = declared {
            job.input = declared.only(job.kind, job.input);
        }
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

    /// The models that it was made with, scripts first. Where a model has several entries, the versions of the
    /// earlier one are newer.
    pub fn catalogue(&self) -> Vec<CatalogueEntry> {
        self.read().catalogue.clone()
    }

    /// Whether a job for this version would start.
    pub fn serves(&self, version: &VersionId) -> bool {
        self.read().served.contains_key(version)
    }

    /// Every version that would start: those of the catalogue in its order, then those that were added.
    pub fn versions(&self) -> Vec<VersionId> {
        self.read().versions.clone()
    }

    /// As many permits as jobs of this version can run at once; whoever starts a run holds one until it has ended.
    /// `None` when there is no limit, or no such version.
    pub fn capacity(&self, version: &VersionId) -> Option<Arc<Semaphore>> {
        self.read().served.get(version)?.capacity.clone()
    }

    /// What every instance is doing. Cheap: nothing is asked of the system.
    pub fn instances(&self) -> Vec<InstanceReport> {
        self.read().reports()
    }

    /// The bytes that the processes of instances keep in memory, by [`crate::InstanceFigures::pid`], where the system tells.
    /// Those of other process groups of this machine are in it as well: one look at the system gives all.
    pub async fn memory(&self) -> HashMap<u32, u64> {
        // Looking fails only when the runtime is gone, and then nobody asks.
        tokio::task::spawn_blocking(process::memory).await.unwrap_or_default()
    }

    /// What the jobs of this version wait for, while no instance takes any.
    pub fn boot_progress(&self, version: &VersionId) -> Option<BootProgress> {
        self.read().pool(version)?.boot_progress()
    }

    /// Starts an instance of this version if none is there, and waits until it is ready; for a version without
    /// instances there is nothing to wait for.
    pub async fn warm_up(&self, version: &VersionId) -> WarmUp {
        let pool = self.read().pool(version).cloned();
        match pool {
            Some(pool) => pool.warm_up().await,
            None => WarmUp { outcome: Ok(()), logs: String::new() },
        }
    }

    /// Stops every instance, and returns when nothing is left of them. The last run has ended before; one that has
    /// not is waited for. Versions that run in instances are not served any more, and nothing can be added.
    pub async fn stop(&self) {
        let pools = self.write().retire();
        join_all(pools.iter().map(|pool| pool.closed())).await;
    }

    /// Takes over the versions that nobody serves yet; what is served now, if anything.
    fn serve(&self, model: RunnableModel) -> Option<CatalogueEntry> {
        let RunnableModel { mut entry, means } = model;
        let mut table = self.write();
        entry.versions.retain(|version| !table.served.contains_key(version));
        if table.stopped || entry.versions.is_empty() {
            return None;
        }
        let served = self.served(&entry, means);
        table.insert(&entry.versions, &served);
        Some(entry)
    }

    fn served(&self, entry: &CatalogueEntry, means: Means) -> Served {
        let model = entry.model.clone();
        match means {
            Means::Direct(runtime) => Served { model, runtime, capacity: None, declared: None },
            Means::Instances(plan) => Served {
                model,
                capacity: Some(Arc::new(Semaphore::new(plan.capacity().min(Semaphore::MAX_PERMITS)))),
                runtime: Runtime::Pooled(plan.pool(
                    entry.model.clone(),
                    Arc::clone(&self.clock),
                    self.tracker.clone(),
                )),
                declared: Some(Arc::new(Declared::of(&entry.openapi_schema))),
            },
        }
    }

    // The table is whole after every statement, so a panic elsewhere while it was locked does not spoil it.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use cogwire_core::id::PredictionId;
    use cogwire_core::json::Json;
    use cogwire_core::prediction::Kind;
    use cogwire_core::time::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::testing::{Harness, TestClock, all_events, lines};

    const HELLO: &str = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa";

    fn harness(script: &str) -> Harness {
        let mut models = Scripts::parse("test.toml", script).expect("a valid script").into_models();
        models.extend(builtin::models());
        Harness::new(models, TestClock::jumping())
    }

    fn names(runner: &Runner) -> Vec<String> {
        let entry = |entry: &CatalogueEntry| format!("{} x{}", entry.model, entry.versions.len());
        runner.catalogue().iter().map(entry).collect()
    }

    #[tokio::test]
    async fn a_script_replaces_a_builtin_version() {
        let script = format!(
            "[[model]]\nowner='replicate'\nname='hello-world'\nversion='{HELLO}'\n[[model.step]]\noutput='bonjour'"
        );
        let harness = harness(&script);
        let run = harness.start_version(HELLO.parse().unwrap(), &json!({"text": "Alice"}));
        assert_eq!(lines(&all_events(run).await)[1], r#"value "bonjour""#);
        assert_eq!(
            names(&harness.runner),
            [
                "replicate/hello-world x1",
                "replicate/hello-world x1",
                "replicate/canary x1",
                "zeke/chaos-monkey x1"
            ]
        );
    }

    #[test]
    fn the_script_with_a_builtin_name_is_the_latest_version() {
        let clock = TestClock::jumping();
        let script = "[[model]]\nowner='replicate'\nname='canary'\n[[model.step]]\noutput='x'";
        let scripts = Scripts::parse("test.toml", script).unwrap();
        let runner = Runner::builtin_and_scripts(scripts, clock, TaskTracker::new());
        assert_eq!(names(&runner)[0], "replicate/canary x1");
        assert_eq!(runner.versions().len(), 5);
        assert!(runner.versions().iter().all(|version| runner.serves(version)));
    }

    #[test]
    fn a_model_that_lost_all_its_versions_is_gone() {
        let builtin = builtin::models();
        let doubled = [builtin.clone(), builtin].concat();
        let runner = Runner::new(doubled, TestClock::jumping(), TaskTracker::new());
        assert_eq!(runner.catalogue().len(), 3);
    }

    #[test]
    fn unknown_versions_are_refused() {
        let version: VersionId = "f".repeat(64).parse().unwrap();
        let runner =
            Runner::builtin_and_scripts(Scripts::default(), TestClock::jumping(), TaskTracker::new());
        assert!(!runner.serves(&version));
        let prediction = PredictionId::new(Timestamp::from_micros(0), 0);
        let input = Json::object();
        let job = Job { prediction, version: version.clone(), kind: Kind::Prediction, input, trace: None };
        let refused = runner.start(job, CancellationToken::new()).map(|_| ()).unwrap_err();
        assert_eq!(refused.to_string(), format!("this node does not run version {version}"));
    }
}
