//! Processes that die, and what is left of them.

use super::*;

async fn dies(cog: &str, what: &str, expected: &str) {
    let model = Test::new(cog, "zoo.py:Predictor").start().await;
    let told = model.zoo(what, "").await;
    assert_eq!(told.last(), Some(&format!("failed: {expected}")), "{what} on {cog}");
    assert_eq!(model.instance.cause_of_death().as_deref(), Some(expected));
    model.stop().await;
}

#[tokio::test]
async fn how_a_process_died_is_told() {
    for cog in COGS {
        dies(cog, "dies", "The model process exited unexpectedly (exit status 3).").await;
        dies(
            cog,
            "is_killed",
            "The model process was killed (signal 9, SIGKILL). Perhaps it ran out of memory.",
        )
        .await;
        let crashed =
            "The model process was killed (signal 11, SIGSEGV). A native library of the model has crashed.";
        dies(cog, "crashes", crashed).await;
    }
}

#[tokio::test]
async fn a_process_that_dies_idle_is_noticed() {
    let model = Test::new(NEWEST, "hello.py:Predictor").start().await;
    let process = model.instance.pid().expect("it runs");
    let process = rustix::process::Pid::from_raw(i32::try_from(process).expect("small")).expect("not zero");
    rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("it runs");
    model.instance.dead().cancelled().await;
    let told = model.run(&json!({"text": "x"})).await;
    assert!(
        told.last().is_some_and(|end| end.starts_with("failed: The model process was killed (signal 9")),
        "{told:?}"
    );
    model.stop().await;
}

#[tokio::test]
async fn a_process_that_cannot_be_spoken_to_any_more_is_killed() {
    let model = Test::new(NEWEST, "zoo.py:Predictor").start().await;
    let told = model.zoo("closes_everything", "").await;
    assert!(
        told.last().is_some_and(|end| end.starts_with("failed: The model process was killed")),
        "{told:?}"
    );
    assert!(model.instance.dead().is_cancelled());
    model.stop().await;
}

#[tokio::test]
async fn a_model_that_writes_to_the_socket_of_its_slot_is_told_as_that() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let told = model.zoo("writes_to_its_slot", "").await;
        let expected = "failed: The model process wrote to the socket that Cog's worker speaks on.";
        assert_eq!(told.last().map(String::as_str), Some(expected), "{cog}");
        model.stop().await;
    }
}

#[tokio::test]
async fn nothing_that_a_model_started_is_left() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let events = model.events(&json!({"what": "leaves_behind"})).await;
        let processes: Vec<Value> = events.iter().filter_map(item).collect();
        assert_eq!(processes.len(), 3, "{events:?}");
        assert!(processes.iter().all(is_alive), "they run: {processes:?}");
        model.stop().await;
        assert!(!processes.iter().any(is_alive), "{processes:?}");
    }
}

#[tokio::test]
async fn a_model_gets_no_more_memory_than_it_may() {
    let model = Test::new(NEWEST, "zoo.py:Predictor").start().await;
    assert_eq!(model.zoo("greedy", "").await, ["started", "value 6442450944", "succeeded"]);
    model.stop().await;
    let mut test = Test::new(NEWEST, "zoo.py:Predictor");
    test.config.memory_limit = Some(4 << 30);
    let model = test.start().await;
    assert_eq!(
        model.zoo("greedy", "").await.last().map(String::as_str),
        Some("failed: [Errno 12] Cannot allocate memory")
    );
    model.stop().await;
}

fn item(event: &RunEvent) -> Option<Value> {
    match event {
        RunEvent::Output(crate::Output::Item(crate::Produced::Json(json))) => Some(json.to_value()),
        _ => None,
    }
}

#[tokio::test]
async fn a_model_that_does_not_stop_is_killed() {
    for cog in COGS {
        let model = Test::new(cog, "zoo.py:Predictor").start().await;
        let (mut run, _cancel) = model.begin(&json!({"what": "ignores"}));
        until_logged(&mut run, "hanging").await;
        let (ended, ()) = tokio::join!(all_events(run), model.instance.stop());
        assert_eq!(told(ended), ["failed: The model process was stopped."], "{cog}");
        model.stop().await;
    }
}

/// Not a test by itself: what the next test runs as another program.
#[test]
#[ignore = "it aborts"]
fn a_program_that_aborts() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let model = Test::new(NEWEST, "zoo.py:Predictor").start().await;
        let events = model.events(&json!({"what": "leaves_behind"})).await;
        let mut processes: Vec<Value> = events.iter().filter_map(item).collect();
        processes.push(json!(model.instance.pid().expect("it runs")));
        let (mut run, _cancel) = model.begin(&json!({"what": "ignores"}));
        until_logged(&mut run, "hanging").await;
        println!("processes {}", json!(processes));
        std::process::abort();
    });
}

#[test]
fn everything_ends_with_the_program_that_started_it() {
    let name = "runtime::cog_worker::tests::death::a_program_that_aborts";
    let program = std::env::current_exe().expect("this one");
    let temporary = tempfile::tempdir().expect("a folder");
    let output = std::process::Command::new(program)
        .args(["--ignored", "--exact", name, "--nocapture"])
        .env("TMPDIR", temporary.path())
        .output()
        .expect("it starts");
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let processes = output.split("processes ").nth(1).and_then(|text| text.lines().next());
    let processes: Vec<Value> =
        processes.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| panic!("{output}"));
    assert_eq!(processes.len(), 4);
    while processes.iter().any(is_alive) {
        std::thread::yield_now();
    }
}
