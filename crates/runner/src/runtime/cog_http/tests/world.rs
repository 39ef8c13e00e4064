//! A runner whose only model is a server, and the address for its callbacks.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::{PredictionId, VersionId};
use cogwire_core::json::Json;
use cogwire_core::prediction::Kind;
use cogwire_core::time::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fake::{Fake, answer};
use crate::runtime::cog_http::{CallbackRegistry, Callbacks, CogServer};
use crate::testing::{Counter, Random, RealClock, all_events, lines};
use crate::{
    CatalogueEntry, CogModel, End, Job, ProcessConfig, Run, RunEvent, RunnableModel, Runner, Scale,
    Surroundings,
};

/// What every run is part of.
pub(super) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub(super) struct World {
    pub(super) runner: Runner,
    tracker: TaskTracker,
    jobs: std::sync::atomic::AtomicU64,
    /// Takes the callbacks.
    _listener: Option<Fake>,
}

/// What a run has told.
#[derive(Debug, PartialEq)]
pub(super) struct Story {
    pub(super) logs: String,
    pub(super) outputs: Vec<String>,
    pub(super) end: End,
}

/// A server at this URL, without callbacks.
pub(super) fn server(url: &str) -> CogServer {
    CogServer {
        url: url.to_owned(),
        slots: 1,
        callbacks: None,
        setup_timeout: Duration::from_secs(60),
        cancel_timeout: Duration::from_secs(10),
    }
}

impl World {
    /// The server can call back.
    pub(super) async fn new(url: &str) -> Self {
        Self::of(server(url)).await
    }

    /// The server can call back; its settings are the test's.
    pub(super) async fn of(server: CogServer) -> Self {
        let (callbacks, listener) = callbacks().await;
        Self::with(&CogServer { callbacks: Some(callbacks), ..server }, Some(listener))
    }

    /// The server cannot call back.
    pub(super) fn deaf(server: &CogServer) -> Self {
        Self::with(server, None)
    }

    /// The servers are started here, of a model in a folder.
    pub(super) async fn local(model: CogModel, config: ProcessConfig, scale: Scale) -> Self {
        let ((callbacks, listener), tracker) = (callbacks().await, TaskTracker::new());
        let surroundings = Surroundings {
            clock: Arc::new(RealClock),
            entropy: Arc::new(Random),
            tracker: tracker.clone(),
            callbacks: Some(callbacks),
        };
        let model = RunnableModel::cog_model(entry(), model, scale, config, surroundings);
        Self::serving(model, tracker, Some(listener))
    }

    fn with(server: &CogServer, listener: Option<Fake>) -> Self {
        let model = RunnableModel::cog_server(entry(), server, Arc::new(RealClock)).expect("a URL");
        Self::serving(model, TaskTracker::new(), listener)
    }

    fn serving(model: RunnableModel, tracker: TaskTracker, listener: Option<Fake>) -> Self {
        let runner = Runner::new(vec![model], Arc::new(RealClock), tracker.clone());
        Self { runner, tracker, jobs: std::sync::atomic::AtomicU64::new(0), _listener: listener }
    }

    pub(super) fn start(&self, input: &Value) -> (Run, CancellationToken) {
        self.start_as(Kind::Prediction, input)
    }

    pub(super) fn start_as(&self, kind: Kind, input: &Value) -> (Run, CancellationToken) {
        let number = self.jobs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let cancel = CancellationToken::new();
        let job = Job {
            prediction: PredictionId::new(Timestamp::from_micros(0), number.into()),
            version: version(),
            kind,
            input: Json::from_value(input),
            trace: Some(TRACE.parse().expect("a trace")),
        };
        (self.runner.start(job, cancel.clone()).expect("the version is served"), cancel)
    }

    /// Runs a job to its end.
    pub(super) async fn run(&self, input: &Value) -> Story {
        Story::of(&all_events(self.start(input).0).await)
    }

    /// Stops the runner, and waits until nothing of it is left.
    pub(super) async fn end(self) {
        self.runner.stop().await;
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Story {
    pub(super) fn of(events: &[RunEvent]) -> Self {
        let logs = events.iter().filter_map(|event| match event {
            RunEvent::Log(text) => Some(text.as_str()),
            _ => None,
        });
        let end = match events.last() {
            Some(RunEvent::Ended(end)) => end.clone(),
            other => panic!("the last event is {other:?}"),
        };
        let told = lines(events).into_iter();
        let outputs = told.filter(|line| line.starts_with("item ") || line.starts_with("value ")).collect();
        Self { logs: logs.collect(), outputs, end }
    }

    pub(super) fn failure(self) -> String {
        match self.end {
            End::Failed(error) => error,
            other => panic!("it ended as {other:?}"),
        }
    }
}

/// Reads until an event that the test waits for.
pub(super) async fn until(run: &mut Run, wanted: impl Fn(&RunEvent) -> bool) -> Vec<RunEvent> {
    let mut events = Vec::new();
    loop {
        let event = run.events.recv().await.expect("the run goes on");
        let found = wanted(&event);
        events.push(event);
        if found {
            return events;
        }
    }
}

pub(super) fn version() -> VersionId {
    "b".repeat(64).parse().expect("a version id")
}

fn entry() -> CatalogueEntry {
    CatalogueEntry {
        model: "acme/served".parse().expect("a name"),
        versions: vec![version()],
        description: None,
        openapi_schema: Json::object(),
        cog_version: "0.23.1".to_owned(),
    }
}

/// An address for callbacks, and what listens there.
async fn callbacks() -> (Callbacks, Fake) {
    let registry = Arc::new(CallbackRegistry::new(Arc::new(Counter::default())));
    let listener = listen(Arc::clone(&registry)).await;
    (Callbacks { base_url: listener.url.clone(), registry }, listener)
}

async fn listen(registry: Arc<CallbackRegistry>) -> Fake {
    Fake::serve(move |request| {
        let registry = Arc::clone(&registry);
        async move {
            let token = request.path.strip_prefix("/callbacks/").unwrap_or_default().to_owned();
            if registry.deliver(&token, &request.body) { answer(200, "{}") } else { answer(404, "{}") }
        }
    })
    .await
}
