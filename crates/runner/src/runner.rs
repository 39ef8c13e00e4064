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

#[cfg(test)]
mod tests {
    use cogwire_core::id::PredictionId;
    use cogwire_core::json::Json;
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
        assert_eq!(runner.versions().count(), 5);
        assert!(runner.versions().all(|version| runner.serves(version)));
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
        let job = Job { prediction, version: version.clone(), input: Json::object() };
        let refused = runner.start(job, CancellationToken::new()).map(|_| ()).unwrap_err();
        assert_eq!(refused.to_string(), format!("this node does not run version {version}"));
    }
}
