//! Servers that break, in reality.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::real::{Kind, RealServer};
use super::world::{Story, World, server, until};
use crate::event::RunEvent;
use crate::runtime::cog_http::CogServer;
use crate::testing::{RealClock, all_events};

#[tokio::test]
async fn a_crash_of_the_model_fails_its_run_and_says_that_the_server_must_be_restarted() {
    for kind in [Kind::Streaming, Kind::Newest] {
        let real = RealServer::start(kind, "Values").await;
        let world = World::new(&real.url).await;
        let story = world.run(&json!({"what": "dies"})).await;
        assert_eq!(
            story.failure(),
            "The model process exited unexpectedly; its server says: Worker crashed.",
            "{kind:?}"
        );
        let next = world.run(&json!({"what": "echo"})).await.failure();
        assert_eq!(
            next,
            format!(
                "The model's server cannot be used: {}: its model process has crashed, and it must be restarted",
                real.url
            )
        );
        world.end().await;
    }
}

#[tokio::test]
async fn a_crash_of_an_old_model_is_told_too() {
    let real = RealServer::start(Kind::Old, "Values").await;
    ready(&real).await;
    let world = World::of(impatient(&real.url)).await;
    let failure = world.run(&json!({"what": "dies"})).await.failure();
    assert!(failure.starts_with(&format!("The model's server at {} ", real.url)), "{failure}");
    let next = world.run(&json!({"what": "echo"})).await.failure();
    assert!(next.starts_with("The model's server cannot be used: "), "{next}");
    world.end().await;
}

#[tokio::test]
async fn a_setup_that_fails_is_quoted() {
    let real = RealServer::start(Kind::Newest, "Broken").await;
    let world = World::new(&real.url).await;
    let failure = world.run(&json!({"text": "x"})).await.failure();
    assert_eq!(failure, "The model's setup failed: RuntimeError: no weights here");
    world.end().await;
}

#[tokio::test]
async fn a_server_that_is_killed_fails_its_run() {
    let mut real = RealServer::start(Kind::Streaming, "Values").await;
    ready(&real).await;
    let world = World::of(impatient(&real.url)).await;
    let (mut run, _) = world.start(&json!({"what": "waits", "text": real.path("never")}));
    let mut events = until(&mut run, |event| matches!(event, RunEvent::Log(_))).await;
    real.kill().await;
    events.extend(all_events(run).await);
    let failure = Story::of(&events).failure();
    let expected =
        format!("The model's server at {} did not finish the run: it broke off the connection", real.url);
    assert!(failure.starts_with(&expected), "{failure}");
    let next = world.run(&json!({"what": "echo"})).await.failure();
    assert!(next.contains("nothing answers there") && next.contains(&real.url), "{next}");
    world.end().await;
}

#[tokio::test]
async fn an_input_that_the_model_does_not_take_is_explained() {
    let real = RealServer::start(Kind::Newest, "Texts").await;
    let world = World::new(&real.url).await;
    let failure = world.run(&json!({})).await.failure();
    assert_eq!(failure, "The model refused its input: count: Field required");
    world.end().await;
}

#[tokio::test]
async fn nothing_listens_there() {
    let url = "http://127.0.0.1:1";
    let world = World::deaf(&impatient(url));
    let failure = world.run(&json!({})).await.failure();
    assert!(failure.starts_with("The model's server cannot be used: "), "{failure}");
    assert!(failure.contains("nothing answers there"), "{failure}");
    world.end().await;
}

/// A server that may take no time to be ready any more.
fn impatient(url: &str) -> CogServer {
    CogServer { setup_timeout: Duration::ZERO, ..server(url) }
}

async fn ready(real: &RealServer) {
    server(&real.url).facts(Arc::new(RealClock)).await.expect("it becomes ready");
}
