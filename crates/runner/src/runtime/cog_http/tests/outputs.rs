//! What models say arrives, from every kind of server.

use serde_json::json;

use super::real::{EVERY_KIND, Kind, RealServer, SOUND_KINDS};
use super::world::{Story, World, server, until};
use crate::event::{End, RunEvent};
use crate::testing::{RealClock, all_events};

fn items(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| format!("item \"{item}\"")).collect()
}

fn is_output(event: &RunEvent) -> bool {
    matches!(event, RunEvent::Output(_))
}

#[tokio::test]
async fn a_text_that_grows() {
    for kind in EVERY_KIND {
        let server = RealServer::start(kind, "Texts").await;
        let world = World::new(&server.url).await;
        for _ in 0..kind.runs() {
            let story = world.run(&json!({"count": 3})).await;
            let expected = Story {
                logs: "token 0\ntoken 1\ntoken 2\n".to_owned(),
                outputs: items(&["t0 ", "t1 ", "t2 "]),
                end: End::Succeeded,
            };
            assert_eq!(story, expected, "{kind:?}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_failure_keeps_what_was_there_before() {
    for kind in EVERY_KIND {
        let server = RealServer::start(kind, "Texts").await;
        let world = World::new(&server.url).await;
        for _ in 0..kind.runs() {
            let story = world.run(&json!({"count": 3, "fail_at": 2})).await;
            assert!(story.logs.starts_with("token 0\ntoken 1\n"), "{kind:?}: {story:?}");
            assert_eq!(story.outputs, items(&["t0 ", "t1 "]), "{kind:?}");
            assert_eq!(story.end, End::Failed("told to fail at 2".to_owned()), "{kind:?}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn items_arrive_while_the_model_goes_on() {
    for kind in EVERY_KIND {
        let server = RealServer::start(kind, "Texts").await;
        let world = World::new(&server.url).await;
        let file = server.path("go-on");
        // The oldest server drops what comes within half a second of what it has sent, which here is the start.
        let pause = if matches!(kind, Kind::Old) { 2.0 } else { 0.0 };
        let (mut run, _) = world.start(&json!({"count": 2, "wait_for_file": file, "pause": pause}));
        let mut events = until(&mut run, is_output).await;
        std::fs::write(&file, "").expect("a file");
        events.extend(all_events(run).await);
        let story = Story::of(&events);
        assert_eq!((story.outputs, story.end), (items(&["t0 ", "t1 "]), End::Succeeded), "{kind:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn items_arrive_without_callbacks_too() {
    for kind in [Kind::Streaming, Kind::Newest, Kind::Older] {
        let real = RealServer::start(kind, "Texts").await;
        let world = World::deaf(&server(&real.url));
        let file = real.path("go-on");
        let (mut run, _) = world.start(&json!({"count": 2, "wait_for_file": file}));
        let mut events = until(&mut run, is_output).await;
        std::fs::write(&file, "").expect("a file");
        events.extend(all_events(run).await);
        let story = Story::of(&events);
        assert_eq!((story.outputs, story.end), (items(&["t0 ", "t1 "]), End::Succeeded), "{kind:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn values_and_their_logs() {
    for kind in SOUND_KINDS {
        let server = RealServer::start(kind, "Values").await;
        let world = World::new(&server.url).await;
        let story = world.run(&json!({"what": "echo", "text": "grüße"})).await;
        let expected = Story {
            logs: "saying it\n".to_owned(),
            outputs: vec![r#"value "grüße""#.to_owned()],
            end: End::Succeeded,
        };
        assert_eq!(story, expected, "{kind:?}");
        let story = world.run(&json!({"what": "fails"})).await;
        assert!(story.logs.starts_with("before\n"), "{kind:?}: {story:?}");
        assert_eq!(story.failure(), "told to", "{kind:?}");
        let story = world.run(&json!({"what": "floods"})).await;
        assert_eq!(story.end, End::Succeeded, "{kind:?}");
        assert_eq!(story.logs.lines().count(), 20_000, "{kind:?}");
        assert_eq!(story.logs.lines().last(), Some("line 19999"), "{kind:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn lists_and_files() {
    for kind in SOUND_KINDS {
        let server = RealServer::start(kind, "Words").await;
        let world = World::new(&server.url).await;
        assert_eq!(world.run(&json!({"text": "one two"})).await.outputs, items(&["one", "two"]), "{kind:?}");
        // Old servers say the same as for no output.
        let empty: &[&str] = if kind == Kind::Old { &[] } else { &["value []"] };
        assert_eq!(world.run(&json!({"text": ""})).await.outputs, empty, "{kind:?}");
        world.end().await;
        let server = RealServer::start(kind, "Frames").await;
        let world = World::new(&server.url).await;
        let files = ["data:text/plain;base64,ZnJhbWUgMA==", "data:text/plain;base64,ZnJhbWUgMQ=="];
        assert_eq!(world.run(&json!({"count": 2})).await.outputs, items(&files), "{kind:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_server_says_what_it_is() {
    for (kind, version) in [(Kind::Newest, "0.23.1"), (Kind::Old, "0.16.12")] {
        let real = RealServer::start(kind, "Values").await;
        let facts = server(&real.url).facts(std::sync::Arc::new(RealClock)).await.expect("it is ready");
        let schema = facts.openapi_schema.expect("it has one").to_value();
        assert!(schema["components"]["schemas"]["Input"]["properties"]["what"].is_object(), "{kind:?}");
        assert_eq!(facts.cog_version.as_deref(), Some(version));
        // Servers lose some of it, and add to it.
        assert!(facts.setup_logs.lines().all(|line| line == "weights are there"), "{}", facts.setup_logs);
    }
}
