//! A launcher whose instances do what the test says, in a runner on a clock that the test moves.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cogwire_core::id::{PredictionId, VersionId};
use cogwire_core::json::Json;
use cogwire_core::time::{Clock, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalogue::{CatalogueEntry, Means, RunnableModel};
use crate::event::End;
use crate::instances::Scale;
use crate::instances::boot::Boot;
use crate::instances::instance::{BootError, Instance, Launcher};
use crate::instances::plan::InstancePlan;
use crate::reporter::{Reporter, Stopped};
use crate::testing::SteppedClock;
use crate::{Job, Run, Runner};

/// A runner without models, what its launchers do, and the jobs that its instances run.
pub(super) struct World {
    pub(super) runner: Runner,
    pub(super) clock: Arc<SteppedClock>,
    pub(super) tracker: TaskTracker,
    launcher: Arc<FakeLauncher>,
    launches: mpsc::UnboundedReceiver<Launch>,
    working: mpsc::UnboundedReceiver<Working>,
}

/// A start that waits for the test.
pub(super) struct Launch {
    said: mpsc::UnboundedSender<String>,
    outcome: oneshot::Sender<Result<usize, BootError>>,
    pub(super) instance: Arc<Controls>,
}

/// A job that an instance runs.
pub(super) struct Working {
    pub(super) input: Json,
    done: oneshot::Sender<End>,
}

/// What the test does to an instance, and learns of it.
#[derive(Default)]
pub(super) struct Controls {
    dead: CancellationToken,
    cause: Mutex<Option<String>>,
    /// Completes when it was stopped, or its start was dropped.
    pub(super) stopped: CancellationToken,
}

struct FakeLauncher {
    launches: mpsc::UnboundedSender<Launch>,
    working: mpsc::UnboundedSender<Working>,
}

struct FakeInstance {
    slots: usize,
    controls: Arc<Controls>,
    working: mpsc::UnboundedSender<Working>,
}

impl World {
    pub(super) fn new() -> Self {
        let (launch_sender, launches) = mpsc::unbounded_channel();
        let (working_sender, working) = mpsc::unbounded_channel();
        let (clock, tracker) = (SteppedClock::new(), TaskTracker::new());
        let runner = Runner::new(Vec::new(), Arc::clone(&clock) as Arc<dyn Clock>, tracker.clone());
        let launcher = Arc::new(FakeLauncher { launches: launch_sender, working: working_sender });
        Self { runner, clock, tracker, launcher, launches, working }
    }

    /// A runner with one model.
    pub(super) fn with(scale: Scale, slots: usize) -> Self {
        let world = Self::new();
        assert!(world.runner.add(world.model(scale, slots)));
        world
    }

    pub(super) fn model(&self, scale: Scale, slots: usize) -> RunnableModel {
        let launcher = Arc::clone(&self.launcher) as Arc<dyn Launcher>;
        RunnableModel {
            entry: CatalogueEntry {
                model: "acme/fake".parse().expect("a name"),
                versions: vec![version()],
                description: None,
                openapi_schema: Json::object(),
                cog_version: "0.23.1".to_owned(),
            },
            means: Means::Instances(InstancePlan { launcher, scale, slots }),
        }
    }

    pub(super) fn start(&self, number: u32) -> (Run, CancellationToken) {
        let cancel = CancellationToken::new();
        let job = Job {
            prediction: PredictionId::new(Timestamp::from_micros(0), number.into()),
            version: version(),
            kind: cogwire_core::prediction::Kind::Prediction,
            input: Json::number(number.into()),
            trace: None,
        };
        (self.runner.start(job, cancel.clone()).expect("the version is served"), cancel)
    }

    /// The next instance that is being started.
    pub(super) async fn launch(&mut self) -> Launch {
        self.launches.recv().await.expect("the launcher lives")
    }

    /// The next job that an instance runs.
    pub(super) async fn working(&mut self) -> Working {
        self.working.recv().await.expect("the launcher lives")
    }

    /// Whether nothing was started, and no job given to an instance, that the test has not seen.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.launches.try_recv().is_err() && self.working.try_recv().is_err()
    }

    /// Stops the runner, and waits until nothing of it is left.
    pub(super) async fn end(self) {
        self.runner.stop().await;
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Launch {
    pub(super) fn say(&self, text: &str) {
        let _ = self.said.send(text.to_owned());
    }

    pub(super) fn ready(self, slots: usize) -> Arc<Controls> {
        let _ = self.outcome.send(Ok(slots));
        self.instance
    }

    pub(super) fn fail(self, error: BootError) {
        let _ = self.outcome.send(Err(error));
    }
}

impl Working {
    pub(super) fn end(self, end: End) {
        let _ = self.done.send(end);
    }
}

impl Controls {
    pub(super) fn kill(&self, cause: &str) {
        *self.cause.lock().expect("no test panics here") = Some(cause.to_owned());
        self.dead.cancel();
    }

    fn cause(&self) -> Option<String> {
        self.cause.lock().expect("no test panics here").clone()
    }
}

pub(super) fn version() -> VersionId {
    "a".repeat(64).parse().expect("a version id")
}

#[async_trait]
impl Launcher for FakeLauncher {
    async fn launch(&self, boot: &Arc<Boot>) -> Result<Arc<dyn Instance>, BootError> {
        let (said, mut saying) = mpsc::unbounded_channel();
        let (outcome, result) = oneshot::channel();
        let controls = Arc::new(Controls::default());
        let started = controls.stopped.clone().drop_guard();
        let _ = self.launches.send(Launch { said, outcome, instance: Arc::clone(&controls) });
        let outcome = async {
            let result = result.await.expect("the test says how it ends");
            while let Ok(text) = saying.try_recv() {
                boot.log(&text);
            }
            result
        };
        let slots = outcome.await?;
        started.disarm();
        Ok(Arc::new(FakeInstance { slots, controls, working: self.working.clone() }))
    }
}

#[async_trait]
impl Instance for FakeInstance {
    fn slots(&self) -> usize {
        self.slots
    }

    async fn run(&self, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
        assert!(!self.controls.dead.is_cancelled(), "a dead instance got a job");
        reporter.started().await?;
        let (done, ended) = oneshot::channel();
        let _ = self.working.send(Working { input: job.input.clone(), done });
        tokio::select! {
            stopped = reporter.stopped() => Err(stopped),
            () = self.controls.dead.cancelled() => Ok(End::Failed(self.controls.cause().unwrap_or_default())),
            end = ended => Ok(end.expect("the test says how it ends")),
        }
    }

    fn dead(&self) -> CancellationToken {
        self.controls.dead.clone()
    }

    fn cause_of_death(&self) -> Option<String> {
        self.controls.cause()
    }

    fn pid(&self) -> Option<u32> {
        Some(7)
    }

    async fn stop(&self) {
        self.controls.stopped.cancel();
    }
}
