//! Servers that are started for a model in a folder: those of an old Cog, and of one that nobody knows.

use std::path::Path;
use std::time::Duration;

use cogwire_core::json::Json;
use cogwire_core::prediction::Kind;
use serde_json::json;
use tempfile::TempDir;

use super::real::tools;
use super::world::{Story, World, until, version};
use crate::event::{End, RunEvent};
use crate::instances::InstanceState;
use crate::testing::all_events;
use crate::{CogModel, ProcessConfig, Scale};

const OLD: &str = "0.16.12";

/// What a test starts.
struct Test {
    model: CogModel,
    config: ProcessConfig,
    scale: Scale,
    work: TempDir,
}

impl Test {
    /// A class of `tests/models/FILE.py`, on this version of Cog.
    fn new(cog: &str, file: &str, class: &str) -> Self {
        let work = tempfile::tempdir().expect("a folder");
        let folder = work.path().join("model");
        std::fs::create_dir(&folder).expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/models/{file}.py"));
        std::fs::copy(source, folder.join(format!("{file}.py"))).expect("the models can be copied");
        std::fs::write(folder.join("cog.yaml"), format!("predict: {file}.py:{class}\n")).expect("written");
        let model = CogModel {
            folder,
            bin: tools(cog),
            variables: vec![("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())],
            predictor: format!("{file}.py:{class}"),
            train: None,
            is_async: false,
            slots: 1,
            cog_version: cog.to_owned(),
            weights: None,
            schema: Json::object(),
        };
        let config = ProcessConfig { work_dir: work.path().join("work"), ..ProcessConfig::default() };
        Self { model, config, scale: Scale { min: 0, max: 1, idle: Duration::from_secs(60) }, work }
    }

    /// A class of `served.py`, on the old Cog.
    fn old(class: &str) -> Self {
        Self::new(OLD, "served", class)
    }

    async fn start(self) -> Started {
        Started { world: World::local(self.model, self.config, self.scale).await, work: self.work }
    }
}

struct Started {
    world: World,
    work: TempDir,
}

impl Started {
    fn pid(&self) -> u32 {
        let instances = self.world.runner.instances();
        instances.first().and_then(|instance| instance.figures.pid).expect("it has a process")
    }

    /// Waits until the only instance is gone.
    async fn until_gone(&self) {
        while !self.world.runner.instances().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops it. Nothing may be left then: no task, no process, and no file.
    async fn end(self) {
        let processes: Vec<u32> =
            self.world.runner.instances().iter().filter_map(|instance| instance.figures.pid).collect();
        self.world.end().await;
        let left: Vec<_> = std::fs::read_dir(self.work.path().join("work")).into_iter().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        for process in processes {
            assert!(!Path::new(&format!("/proc/{process}")).exists(), "{process}");
        }
    }
}

fn values(events: &[RunEvent]) -> Story {
    Story::of(events)
}

#[tokio::test]
async fn an_old_model_is_served_and_tells_what_it_says() {
    let test = Test::old("Values").start().await;
    let warm = test.world.runner.warm_up(&version()).await;
    assert_eq!((warm.outcome, warm.logs.as_str()), (Ok(()), "weights are there\n"));
    let story = test.world.run(&json!({"what": "echo", "text": "grüße"})).await;
    let expected = Story {
        logs: "saying it\n".to_owned(),
        outputs: vec![r#"value "grüße""#.to_owned()],
        end: End::Succeeded,
    };
    assert_eq!(story, expected);
    let story = test.world.run(&json!({"what": "fails"})).await;
    assert!(story.logs.starts_with("before\nTraceback (most recent call last):\n"), "{story:?}");
    assert_eq!(story.failure(), "told to");
    test.end().await;
}

#[tokio::test]
async fn items_of_an_old_model_arrive_while_it_goes_on() {
    let test = Test::old("Texts").start().await;
    let file = test.work.path().join("go-on");
    let (mut run, _) = test.world.start(&json!({"count": 2, "wait_for_file": file, "pause": 1.0}));
    let mut events = until(&mut run, |event| matches!(event, RunEvent::Output(_))).await;
    std::fs::write(&file, "").expect("a file");
    events.extend(all_events(run).await);
    let story = values(&events);
    assert_eq!(story.outputs, [r#"item "t0 ""#, r#"item "t1 ""#]);
    assert_eq!(story.end, End::Succeeded);
    test.end().await;
}

#[tokio::test]
async fn an_old_model_that_crashes_is_told_like_any_other_and_started_again() {
    let test = Test::old("Values").start().await;
    let failure = test.world.run(&json!({"what": "dies"})).await.failure();
    assert_eq!(failure, "The model process exited unexpectedly (exit status 3).");
    let failure = test.world.run(&json!({"what": "crashes"})).await.failure();
    let crashed =
        "The model process was killed (signal 11, SIGSEGV). A native library of the model has crashed.";
    assert_eq!(failure, crashed);
    let story = test.world.run(&json!({"what": "echo", "text": "again"})).await;
    assert_eq!(story.outputs, [r#"value "again""#]);
    test.end().await;
}

#[tokio::test]
async fn a_server_that_is_killed_takes_its_model_along_and_is_replaced() {
    let test = Test::old("Values").start().await;
    let (run, _) = test.world.start(&json!({"what": "waits", "text": test.work.path().join("never")}));
    while !test.work.path().join("never.begun").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let process = rustix::process::Pid::from_raw(test.pid().cast_signed()).expect("a process");
    rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("it runs");
    let failure = values(&all_events(run).await).failure();
    assert_eq!(failure, "The model process was killed (signal 9, SIGKILL). Perhaps it ran out of memory.");
    assert_eq!(test.world.run(&json!({"what": "echo", "text": "x"})).await.outputs, [r#"value "x""#]);
    test.end().await;
}

#[tokio::test]
async fn a_cancelled_run_of_an_old_model_stops_and_its_process_stays() {
    let test = Test::old("Values").start().await;
    test.world.run(&json!({"what": "echo"})).await;
    let process = test.pid();
    let (run, cancel) = test.world.start(&json!({"what": "waits", "text": test.work.path().join("never")}));
    while !test.work.path().join("never.begun").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cancel.cancel();
    assert_eq!(values(&all_events(run).await).end, End::Canceled);
    assert_eq!(test.world.run(&json!({"what": "echo", "text": "x"})).await.outputs, [r#"value "x""#]);
    assert_eq!(test.pid(), process);
    test.end().await;
}

#[tokio::test]
async fn an_old_model_that_does_not_stop_is_killed() {
    let mut test = Test::old("Values");
    test.config.cancel_timeout = Duration::from_millis(500);
    let test = test.start().await;
    let (run, cancel) =
        test.world.start(&json!({"what": "stubborn", "text": test.work.path().join("never")}));
    while !test.work.path().join("never.begun").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let process = test.pid();
    cancel.cancel();
    assert_eq!(values(&all_events(run).await).end, End::Canceled);
    assert_eq!(test.world.run(&json!({"what": "echo", "text": "x"})).await.outputs, [r#"value "x""#]);
    assert_ne!(test.pid(), process);
    test.end().await;
}

#[tokio::test]
async fn an_idle_server_is_stopped_politely_and_started_again() {
    let mut test = Test::old("Values");
    test.scale.idle = Duration::from_millis(100);
    let test = test.start().await;
    for _ in 0..2 {
        assert_eq!(test.world.run(&json!({"what": "echo", "text": "x"})).await.end, End::Succeeded);
        test.until_gone().await;
    }
    test.end().await;
}

#[tokio::test]
async fn a_setup_that_fails_on_an_old_cog_says_what_it_printed() {
    let test = Test::new(OLD, "setups", "Fails").start().await;
    let warm = test.world.runner.warm_up(&version()).await;
    assert_eq!(warm.outcome, Err("The model's setup failed: RuntimeError: no weights here".to_owned()));
    // It reads both streams, and does not know which was written to first.
    let mut lines: Vec<&str> =
        warm.logs.lines().filter(|line| !line.trim_start().starts_with("File ")).collect();
    lines.retain(|line| ["loading weights", "RuntimeError: no weights here"].contains(line));
    lines.sort_unstable();
    assert_eq!(lines, ["RuntimeError: no weights here", "loading weights"], "{}", warm.logs);
    assert!(!warm.logs.contains("FatalWorkerException"), "{}", warm.logs);
    test.end().await;
}

#[tokio::test]
async fn an_old_model_that_dies_or_hangs_in_its_setup_is_told() {
    let test = Test::new(OLD, "setups", "Dies").start().await;
    let warm = test.world.runner.warm_up(&version()).await;
    assert_eq!(warm.outcome, Err("The model process ended during its setup: exit status 5".to_owned()));
    test.end().await;

    let mut test = Test::new(OLD, "setups", "Hangs");
    test.config.setup_timeout = Duration::from_secs(4);
    let test = test.start().await;
    let warm = test.world.runner.warm_up(&version()).await;
    let error = warm.outcome.expect_err("it hangs");
    assert!(error.starts_with("The model was not ready after 4 s: "), "{error}");
    assert!(warm.logs.is_empty() || warm.logs == "loading\n", "{}", warm.logs);
    test.end().await;
}

#[tokio::test]
async fn a_process_that_is_no_server_is_told() {
    let mut test = Test::old("Values");
    test.model.bin = test.work.path().join("bin");
    std::fs::create_dir(&test.model.bin).expect("a folder");
    let python = std::fs::canonicalize(tools(OLD).join("python")).expect("an interpreter");
    std::os::unix::fs::symlink(python, test.model.bin.join("python")).expect("a link");
    let test = test.start().await;
    let error = test.world.runner.warm_up(&version()).await.outcome.expect_err("there is no Cog");
    let begins = "The model process ended during its setup: exit status 1 (";
    assert!(error.starts_with(begins) && error.contains("No module named 'cog'"), "{error}");
    test.end().await;
}

#[tokio::test]
async fn weights_and_files_reach_an_old_model() {
    let mut test = Test::new(OLD, "setups", "Weighs");
    let weights = test.work.path().join("weights.bin");
    std::fs::write(&weights, "w").expect("written");
    test.model.weights = Some(weights.clone());
    let test = test.start().await;
    let story = test.world.run(&json!({})).await;
    assert_eq!(story.outputs, [format!("value \"{}\"", weights.display())]);
    test.end().await;

    let test = Test::old("Frames").start().await;
    let files = ["data:text/plain;base64,ZnJhbWUgMA==", "data:text/plain;base64,ZnJhbWUgMQ=="];
    let expected = files.map(|file| format!("item \"{file}\""));
    assert_eq!(test.world.run(&json!({"count": 2})).await.outputs, expected);
    test.end().await;
}

#[tokio::test]
async fn an_old_cog_says_plainly_that_it_cannot_train() {
    let mut test = Test::old("Values");
    test.model.train = Some("served.py:train".to_owned());
    let test = test.start().await;
    let (run, _) = test.world.start_as(Kind::Training, &json!({}));
    let failure = values(&all_events(run).await).failure();
    assert_eq!(
        failure,
        "This version cannot be trained: Cog 0.16.12 puts the weights into an answer of its server instead of a \
         file. Use Cog 0.17 or newer"
    );
    test.end().await;
}

#[tokio::test]
async fn a_cog_whose_worker_is_not_understood_is_served() {
    // This one does not say what its worker speaks.
    let mut test = Test::new("0.18.0", "served", "Words");
    test.model.cog_version = "9.0.0".to_owned();
    test.model.schema = Json::from_value(&json!({"components": {"schemas": {
        "Input": {"properties": {"text": {"type": "string"}}, "required": ["text"]},
        "Output": {"type": "array", "items": {"type": "string"}},
    }}}));
    let test = test.start().await;
    assert_eq!(test.world.run(&json!({"text": "one two"})).await.outputs, [r#"item "one""#, r#"item "two""#]);
    let instances = test.world.runner.instances();
    assert_eq!(instances[0].figures.state, InstanceState::Idle);
    test.end().await;
}
