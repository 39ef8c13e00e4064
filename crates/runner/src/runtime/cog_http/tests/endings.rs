//! Runs that are cancelled, and models that do not like it.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::real::{Kind, RealServer, SOUND_KINDS};
use super::world::{Story, World, server};
use crate::event::End;
use crate::runtime::cog_http::CogServer;
use crate::testing::all_events;

/// Waits until the model waits for this file. Not all servers show a log line at once.
async fn begun(file: &Path) {
    let begun = file.with_extension("begun");
    while !begun.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_cancelled_run_stops_and_leaves_its_slot() {
    for kind in SOUND_KINDS {
        let server = RealServer::start(kind, "Values").await;
        let world = World::new(&server.url).await;
        let (run, cancel) = world.start(&json!({"what": "waits", "text": server.path("never")}));
        begun(&server.path("never")).await;
        cancel.cancel();
        assert_eq!(Story::of(&all_events(run).await).end, End::Canceled, "{kind:?}");
        let story = world.run(&json!({"what": "echo", "text": "next"})).await;
        assert_eq!(story.outputs, [r#"value "next""#], "{kind:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_run_that_is_cancelled_at_once_is_not_left_behind() {
    for kind in [Kind::Streaming, Kind::Old] {
        let server = RealServer::start(kind, "Values").await;
        let world = World::new(&server.url).await;
        world.run(&json!({"what": "echo"})).await;
        let (run, cancel) = world.start(&json!({"what": "waits", "text": server.path("never")}));
        cancel.cancel();
        assert_eq!(Story::of(&all_events(run).await).end, End::Canceled, "{kind:?}");
        let story = world.run(&json!({"what": "echo", "text": "next"})).await;
        assert_eq!(story.outputs, [r#"value "next""#], "{kind:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_model_that_does_not_stop_is_waited_for_before_the_next_run() {
    let real = RealServer::start(Kind::Newest, "Values").await;
    let impatient = CogServer { cancel_timeout: Duration::from_millis(200), ..server(&real.url) };
    let world = World::of(impatient).await;
    let file = real.path("go-on");
    let (run, cancel) = world.start(&json!({"what": "stubborn", "text": file}));
    begun(&file).await;
    cancel.cancel();
    assert_eq!(Story::of(&all_events(run).await).end, End::Canceled);
    let (next, _) = world.start(&json!({"what": "echo", "text": "next"}));
    std::fs::write(&file, "").expect("a file");
    assert_eq!(Story::of(&all_events(next).await).outputs, [r#"value "next""#]);
    world.end().await;
}
