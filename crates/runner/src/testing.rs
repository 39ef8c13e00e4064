//! A clock that tests move, and short ways to run a job.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cogwire_core::id::{PredictionId, VersionId};
use cogwire_core::json::Json;
use cogwire_core::prediction::Kind;
use cogwire_core::time::{Clock, Entropy, Sleep, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::event::{End, RunEvent};
use crate::{Job, Run, RunnableModel, Runner};

/// A clock that nobody waits for: it jumps to the deadline of each sleep, or it stands still for ever.
pub(crate) struct TestClock {
    /// The sleeps so far.
    slept: Mutex<Vec<Duration>>,
    jumps: bool,
}

impl TestClock {
    /// Every sleep ends at once.
    pub(crate) fn jumping() -> Arc<Self> {
        Arc::new(Self { slept: Mutex::default(), jumps: true })
    }

    /// No sleep ever ends.
    pub(crate) fn frozen() -> Arc<Self> {
        Arc::new(Self { slept: Mutex::default(), jumps: false })
    }

    /// Every sleep so far, in milliseconds.
    pub(crate) fn slept_ms(&self) -> Vec<u128> {
        self.slept.lock().expect("no test panics here").iter().map(Duration::as_millis).collect()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let slept = self.slept.lock().expect("no test panics here");
        Timestamp::from_micros(0) + slept.iter().sum()
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::from_micros(0))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        let duration = deadline.since(self.now());
        self.slept.lock().expect("no test panics here").push(duration);
        if self.jumps { Box::pin(std::future::ready(())) } else { Box::pin(std::future::pending()) }
    }
}

/// Randomness that no other test has, for the names of processes.
pub(crate) struct Random;

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        use std::hash::{BuildHasher, Hasher};
        for chunk in bytes.chunks_mut(8) {
            let random = std::hash::RandomState::new().build_hasher().finish().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}

/// A clock that stands still until a test moves it.
pub(crate) struct SteppedClock(watch::Sender<Duration>);

impl SteppedClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(Duration::ZERO)))
    }

    pub(crate) fn advance(&self, duration: Duration) {
        self.0.send_modify(|now| *now += duration);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0) + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.0.borrow()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        let mut moved = self.0.subscribe();
        let deadline = deadline.since(Timestamp::from_micros(0));
        Box::pin(async move {
            // The clock outlives its tests, so this never fails.
            let _ = moved.wait_for(|now| *now >= deadline).await;
        })
    }
}

/// The machine's clock, for what real processes do.
pub(crate) struct RealClock;

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "real processes need real time")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        Timestamp::from_micros(i64::try_from(since.as_micros()).expect("before the year 294000"))
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::from_micros(0))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        Box::pin(tokio::time::sleep(deadline.since(self.now())))
    }
}

/// Counts instead of being random: no two of its values are the same.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        bytes.iter_mut().zip(next).for_each(|(byte, value)| *byte = value);
    }
}

/// A runner with one set of models, and what a test wants to touch.
pub(crate) struct Harness {
    pub(crate) runner: Runner,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) cancel: CancellationToken,
    pub(crate) tracker: TaskTracker,
}

impl Harness {
    pub(crate) fn new(models: Vec<RunnableModel>, clock: Arc<TestClock>) -> Self {
        let tracker = TaskTracker::new();
        let runner = Runner::new(models, Arc::clone(&clock) as Arc<dyn Clock>, tracker.clone());
        Self { runner, clock, cancel: CancellationToken::new(), tracker }
    }

    /// Starts a run of the first version of the first model.
    pub(crate) fn start(&self, input: &serde_json::Value) -> Run {
        let version = self.runner.versions().into_iter().next().expect("a model");
        self.start_version(version, input)
    }

    pub(crate) fn start_version(&self, version: VersionId, input: &serde_json::Value) -> Run {
        let prediction = PredictionId::new(Timestamp::from_micros(1_700_000_000_000_000), 0);
        let input = Json::from_value(input);
        let job = Job { prediction, version, kind: Kind::Prediction, input, trace: None };
        self.runner.start(job, self.cancel.clone()).expect("a known version")
    }
}

/// Every event until the channel closes.
pub(crate) async fn all_events(mut run: Run) -> Vec<RunEvent> {
    let mut events = Vec::new();
    while let Some(event) = run.events.recv().await {
        events.push(event);
    }
    events
}

/// How the run ended.
pub(crate) async fn end_of(run: Run) -> End {
    match all_events(run).await.pop() {
        Some(RunEvent::Ended(end)) => end,
        other => panic!("the last event is {other:?}"),
    }
}

/// The events in one line each, without the quotes of Rust: what tests compare.
pub(crate) fn lines(events: &[RunEvent]) -> Vec<String> {
    events.iter().map(line).collect()
}

/// One event as [`lines`] has it.
pub(crate) fn line(event: &RunEvent) -> String {
    use crate::event::{Output, Produced};
    let produced = |produced: &Produced| match produced {
        Produced::Json(json) => json.to_string(),
        Produced::File(file) => format!("file {}", file.name),
        Produced::Tree { json, files } => {
            let name = |text: &str| files.get(text).map(|file| Json::string(&format!("file {}", file.name)));
            json.map_strings(name).to_string()
        }
    };
    match event {
        RunEvent::Started => "started".to_owned(),
        RunEvent::Log(text) => format!("log {text:?}"),
        RunEvent::Output(Output::Value(value)) => format!("value {}", produced(value)),
        RunEvent::Output(Output::Item(item)) => format!("item {}", produced(item)),
        RunEvent::Metric(name, value) => format!("metric {name} {value}"),
        RunEvent::Ended(End::Succeeded) => "succeeded".to_owned(),
        RunEvent::Ended(End::Failed(reason)) => format!("failed: {reason}"),
        RunEvent::Ended(End::Canceled) => "canceled".to_owned(),
    }
}
