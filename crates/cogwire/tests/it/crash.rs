//! `kill -9` at the worst moments: whatever was answered 201 ends, and every end is told.

mod attempts;

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Behaviour, HELLO, Process, Receiver, TestStore};

/// Places in the life of a prediction and of its webhook.
const FAILPOINTS: [&str; 6] = [
    "create.committed",
    "end.before",
    "end.committed",
    "intermediate.begun",
    "attempt.answered",
    "attempt.recorded",
];

fn body(receiver: &Receiver, text: &str) -> Value {
    json!({
        "version": HELLO, "input": {"text": text}, "webhook": receiver.url,
        "webhook_events_filter": ["start", "completed"],
    })
}

/// Creates predictions until the server dies, and gives the ids of those that were answered.
async fn create_until_death(server: &mut Process, receiver: &Receiver) -> Vec<String> {
    let mut answered = Vec::new();
    for n in 0..200 {
        let request =
            server.http.request(reqwest::Method::POST, "/v1/predictions").bearer_auth(&server.http.token);
        let Ok(response) = request.json(&body(receiver, &n.to_string())).send().await else { break };
        let Ok(prediction) = response.json::<Value>().await else { break };
        answered.push(prediction["id"].as_str().expect("an id").to_owned());
    }
    server.kill();
    answered
}

/// Panics unless every prediction has ended, and its end was told with one id and one body.
async fn assert_nothing_lost(server: &Process, receiver: &Receiver, ids: &[String]) {
    for id in ids {
        let what = format!("completed of {id}");
        let all = receiver
            .wait_until(&what, |all| {
                all.iter().any(|hook| hook.event() == "completed" && hook.id().contains(id.as_str()))
            })
            .await;
        let mut bodies: HashMap<&str, &[u8]> = HashMap::new();
        for hook in all.iter().filter(|hook| hook.event() == "completed") {
            assert_eq!(*bodies.entry(hook.id()).or_insert(&hook.body), &hook.body[..], "one id has one body");
        }
        let ended = server.http.get(&format!("/v1/predictions/{id}")).await.expect(200);
        assert!(["succeeded", "failed"].contains(&ended["status"].as_str().expect("a status")), "{ended}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_at_any_armed_place_loses_nothing() {
    for failpoint in FAILPOINTS {
        let (dir, store) = (tempfile::tempdir().expect("a folder"), TestStore::new().await);
        let receiver = Receiver::start().await;
        let mut server = Process::start_on(dir.path(), &store, Some(&format!("{failpoint}:5"))).await;
        let ids = create_until_death(&mut server, &receiver).await;
        assert!(ids.len() < 200, "{failpoint} was never reached");
        let server = Process::start_on(dir.path(), &store, None).await;
        assert_nothing_lost(&server, &receiver, &ids).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deaths_at_random_under_load_lose_nothing() {
    let (dir, store) = (tempfile::tempdir().expect("a folder"), TestStore::new().await);
    let receiver = Receiver::start().await;
    // Some answers are refused, so that retries are under way when the server dies.
    receiver.then((0..60).map(|n| Behaviour::Answer(if n % 3 == 0 { 500 } else { 200 })));
    let mut ids = Vec::new();
    for cycle in 1..=4 {
        let mut server = Process::start_on(dir.path(), &store, None).await;
        let http = server.http.clone();
        let hook = receiver.url.clone();
        let load = join_all((0..4).map(|_| create_some(&http, &hook)));
        let arrived = receiver.webhooks().len();
        let struck = async {
            receiver.wait_until("some webhooks of this cycle", |all| all.len() >= arrived + 20 * cycle).await;
            server.kill();
        };
        let (created, ()) = tokio::join!(load, struck);
        ids.extend(created.into_iter().flatten());
    }
    let server = Process::start_on(dir.path(), &store, None).await;
    assert!(ids.len() > 50, "there was load: {}", ids.len());
    assert_nothing_lost(&server, &receiver, &ids).await;
}

async fn create_some(http: &crate::harness::Http, hook: &str) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let body = json!({"version": HELLO, "input": {"text": "x"}, "webhook": hook, "webhook_events_filter": ["completed"]});
        let request =
            http.request(reqwest::Method::POST, "/v1/predictions").bearer_auth(&http.token).json(&body);
        let Ok(response) = request.send().await else { return ids };
        let Ok(prediction) = response.json::<Value>().await else { return ids };
        ids.push(prediction["id"].as_str().expect("an id").to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_with_success_and_answers_held_waits() {
    let (dir, store) = (tempfile::tempdir().expect("a folder"), TestStore::new().await);
    let mut server = Process::start_on(dir.path(), &store, None).await;
    let body = json!({"version": crate::harness::CHAOS, "input": {"sleep": 2}});
    let http = server.http.clone();
    let held = async { http.post_with("/v1/predictions", &body, &[("prefer", "wait=60")]).await };
    let stop = async {
        http.wait_for_status_of_newest("processing").await;
        server.terminate();
    };
    let (reply, ()) = tokio::join!(held, stop);
    reply.expect(202);
    assert!(server.wait().success());
}
