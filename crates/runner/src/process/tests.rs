//! What is left of processes that do not want to go.

use super::*;

fn start(script: &str, family: &str) -> (Process, Streams, TaskTracker) {
    let tracker = TaskTracker::new();
    let start = Start {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        folder: "/".into(),
        variables: vec![("PATH".into(), "/usr/bin:/bin".into())],
        family: family.to_owned(),
        memory_limit: None,
    };
    let (process, streams) = Process::start(start, &tracker).expect("there is a shell");
    (process, streams, tracker)
}

async fn first_line(streams: &mut Streams) -> String {
    use tokio::io::AsyncReadExt;
    let mut line = Vec::new();
    while let Ok(byte @ b' '..) = streams.output.read_u8().await {
        line.push(byte);
    }
    String::from_utf8(line).expect("text")
}

fn is_alive(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn an_exit_status_is_told() {
    let (process, _streams, _) = start("exit 3", "status");
    assert_eq!(process.exited().await, Exit::Status(3));
    assert_eq!(process.exited().await, Exit::Status(3), "also to whoever asks again");
}

#[tokio::test]
async fn the_group_is_killed_with_its_leader() {
    let (process, mut streams, _) = start("trap '' TERM; sleep 1000 & echo $!; wait", "group");
    let child = first_line(&mut streams).await;
    assert!(is_alive(&child));
    assert!(memory().get(&process.id()).is_some_and(|bytes| *bytes > 10_000), "two processes need memory");
    process.kill();
    assert_eq!(process.exited().await, Exit::Signal(9));
    assert!(!is_alive(&child));
}

#[tokio::test]
async fn a_child_that_left_the_group_is_killed_too() {
    let (process, mut streams, _) = start("setsid sh -c 'echo $$; exec sleep 1000' & wait", "left");
    let child = first_line(&mut streams).await;
    assert!(is_alive(&child));
    process.kill();
    process.exited().await;
    assert!(!is_alive(&child));
}

#[tokio::test]
async fn what_a_leader_leaves_behind_is_killed() {
    let (process, mut streams, _) = start("sleep 1000 & echo $!", "behind");
    let child = first_line(&mut streams).await;
    assert_eq!(process.exited().await, Exit::Status(0));
    assert!(!is_alive(&child));
}

#[tokio::test]
async fn a_dropped_process_is_killed() {
    let (process, mut streams, tracker) = start("echo $$; exec sleep 1000", "dropped");
    let leader = first_line(&mut streams).await;
    drop(process);
    tracker.close();
    tracker.wait().await;
    assert!(!is_alive(&leader));
}

#[test]
fn nothing_is_left_of_a_runtime_that_stops_at_once() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (process, children) = runtime.block_on(async {
        let script = "sleep 1000 & echo $!; setsid sh -c 'echo $$; exec sleep 1000' & wait";
        let (process, mut streams, _) = start(script, "runtime");
        let children = [first_line(&mut streams).await, first_line(&mut streams).await];
        (process, children)
    });
    assert!(children.iter().all(|child| is_alive(child)));
    // Nobody drops the process itself.
    std::mem::forget(process);
    drop(runtime);
    assert!(!children.iter().any(|child| is_alive(child)));
}

#[tokio::test]
async fn the_memory_limit_holds() {
    let start = Start {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), "read line; ulimit -v".into()],
        folder: "/".into(),
        variables: Vec::new(),
        family: "limit".to_owned(),
        memory_limit: Some(512 * 1024 * 1024),
    };
    let (_process, mut streams) = Process::start(start, &TaskTracker::new()).expect("there is a shell");
    tokio::io::AsyncWriteExt::write_all(&mut streams.input, b"go\n").await.expect("it listens");
    assert_eq!(first_line(&mut streams).await, "524288");
}
