//! Real models in real processes, on two versions of Cog.

mod cancel;
mod death;
mod files;
mod logs;
mod outputs;
mod setup;
mod trainings;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::json::Json;
use cogwire_core::prediction::Kind;
use cogwire_core::time::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::instances::boot::Boot;
use crate::instances::instance::{BootError, Instance, Launcher};
use crate::reporter::Reporter;
use crate::testing::{Random, RealClock, all_events, line};
use crate::{CogModel, EVENT_QUEUE, Job, ProcessConfig, Run, RunEvent, Surroundings};

/// The newest Cog, and one whose worker speaks an older protocol.
const COGS: [&str; 2] = ["0.23.1", "0.18.0"];
const NEWEST: &str = COGS[0];

/// What a test starts.
struct Test {
    model: CogModel,
    config: ProcessConfig,
    trains: bool,
    work: TempDir,
    tracker: TaskTracker,
}

/// A model that is ready.
struct Started {
    instance: Arc<dyn Instance>,
    boot: Arc<Boot>,
    work: TempDir,
    tracker: TaskTracker,
    jobs: AtomicU64,
}

impl Test {
    /// `file.py:Name` of the models in `tests/models`, on this version of Cog.
    fn new(cog: &str, reference: &str) -> Self {
        let work = tempfile::tempdir().expect("a folder");
        let model = CogModel {
            folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models"),
            bin: tools(cog),
            variables: vec![("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())],
            predictor: reference.to_owned(),
            train: Some(reference.to_owned()),
            is_async: false,
            slots: 1,
            cog_version: cog.to_owned(),
            weights: None,
            schema: Json::null(),
        };
        let config = ProcessConfig {
            cancel_timeout: Duration::from_millis(600),
            stop_grace: Duration::from_millis(600),
            work_dir: work.path().to_owned(),
            ..ProcessConfig::default()
        };
        Self { model, config, trains: false, work, tracker: TaskTracker::new() }
    }

    fn asynchronous(mut self, slots: usize) -> Self {
        (self.model.is_async, self.model.slots) = (true, slots);
        self
    }

    fn output(mut self, schema: &Value) -> Self {
        self.model.schema = Json::from_value(&json!({"components": {"schemas": {"Output": schema}}}));
        self
    }

    async fn launch(self, boot: &Arc<Boot>) -> Result<Arc<dyn Instance>, BootError> {
        let tracker = self.tracker.clone();
        let surroundings =
            Surroundings { clock: Arc::new(RealClock), entropy: Arc::new(Random), tracker, callbacks: None };
        let launcher = match self.trains {
            false => CogWorkers::predicting(self.model, self.config, surroundings),
            true => CogWorkers::training(self.model, self.config, surroundings).expect("it can be trained"),
        };
        launcher.launch(boot).await
    }

    async fn start(mut self) -> Started {
        let work = std::mem::replace(&mut self.work, tempfile::tempdir().expect("a folder"));
        let (boot, tracker) = (Arc::new(Boot::default()), self.tracker.clone());
        let instance = match self.launch(&boot).await {
            Ok(instance) => instance,
            Err(error) => panic!("{error}\n{}", boot.logs()),
        };
        Started { instance, boot, work, tracker, jobs: AtomicU64::new(0) }
    }

    /// The error of a start that fails, and its logs.
    async fn fail(self) -> (String, String) {
        let boot = Arc::new(Boot::default());
        let tracker = self.tracker.clone();
        let error = match self.launch(&boot).await {
            Ok(_) => panic!("it started"),
            Err(error) => error.to_string(),
        };
        tracker.close();
        tracker.wait().await;
        (error, boot.logs())
    }
}

impl Started {
    fn begin(&self, input: &Value) -> (Run, CancellationToken) {
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let cancel = CancellationToken::new();
        let reporter = Reporter::new(sender, cancel.clone(), Arc::new(RealClock));
        let instance = Arc::clone(&self.instance);
        let job = Job {
            prediction: PredictionId::new(
                Timestamp::from_micros(1_700_000_000_000_000),
                self.jobs.fetch_add(1, Ordering::Relaxed).into(),
            ),
            version: "5".repeat(64).parse().expect("a version"),
            kind: Kind::Prediction,
            input: Json::from_value(input),
            trace: None,
        };
        self.tracker.spawn(async move {
            let outcome = instance.run(&job, &reporter).await;
            reporter.end(outcome).await;
        });
        (Run { events }, cancel)
    }

    async fn events(&self, input: &Value) -> Vec<RunEvent> {
        all_events(self.begin(input).0).await
    }

    /// What the run says, in lines, with all that is logged in a row in one.
    async fn run(&self, input: &Value) -> Vec<String> {
        told(self.events(input).await)
    }

    /// The same for a behaviour of `zoo.py`.
    async fn zoo(&self, what: &str, text: &str) -> Vec<String> {
        self.run(&json!({"what": what, "text": text})).await
    }

    /// Stops it. Nothing may be left then: no task, and no file.
    async fn stop(self) {
        let work = self.stop_with_files().await;
        let left: Vec<_> = std::fs::read_dir(work.path()).expect("it is there").collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// Stops it while the test still has files of its.
    async fn stop_with_files(self) -> TempDir {
        self.instance.stop().await;
        assert!(self.instance.dead().is_cancelled());
        drop(self.instance);
        self.tracker.close();
        self.tracker.wait().await;
        self.work
    }
}

/// The environment with this version of Cog.
fn tools(cog: &str) -> PathBuf {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/tools/cog-{cog}/bin"));
    bin.canonicalize().unwrap_or_else(|_| panic!("Cog {cog} is missing: run scripts/install-tools rust"))
}

fn told(events: Vec<RunEvent>) -> Vec<String> {
    let mut joined: Vec<RunEvent> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(RunEvent::Log(log)), RunEvent::Log(more)) => log.push_str(&more),
            (_, RunEvent::Metric(name, value)) if name == "predict_time" => {
                assert!(value.to_value().as_f64().is_some_and(|seconds| seconds > 0.0), "{value}");
            }
            (_, event) => joined.push(event),
        }
    }
    joined.iter().map(line).collect()
}

/// All that was logged.
fn log_of(events: &[RunEvent]) -> String {
    let log = events.iter().filter_map(|event| match event {
        RunEvent::Log(text) => Some(text.as_str()),
        _ => None,
    });
    log.collect()
}

/// Waits until the run has logged this.
async fn until_logged(run: &mut Run, wanted: &str) {
    while let Some(event) = run.events.recv().await {
        if matches!(&event, RunEvent::Log(text) if text.contains(wanted)) {
            return;
        }
    }
    panic!("it never logged {wanted:?}");
}

/// Whether a process runs.
fn is_alive(process: &Value) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}
