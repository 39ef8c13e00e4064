//! Receivers that misbehave: what becomes of their own webhooks, and that nobody else notices.

mod rogue;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{TestApp, hello, pause};
use rogue::{Manner, Rogue};

/// What is owed to each receiver that misbehaves: more than it may be sent at once.
const CROWD: usize = 24;
/// What is owed to the one beside them.
const HEALTHY: usize = 20;
/// Half of what an attempt may take. A message that had to wait for a request to somebody else would wait for longer.
const PROMPT: Duration = Duration::from_secs(5);

/// How the attempts at a final message may end, and how many there are.
fn expected(manner: Manner) -> (&'static [&'static str], usize) {
    match manner {
        Manner::HangsBeforeTheHead
        | Manner::HangsAfterTheHead
        | Manner::DripsTheHead
        | Manner::DripsTheBody
        | Manner::PromisesForever => (&["timeout"], 7),
        // The reset may come before anybody has seen that there was a connection.
        Manner::ResetsAtOnce => (&["connect", "protocol"], 7),
        Manner::ResetsInTheAnswer
        | Manner::ClosesEarly
        | Manner::SpeaksGarbage
        | Manner::SendsHeadersForever => (&["protocol"], 7),
        Manner::RefusesAndSendsForever | Manner::Refuses => (&["status"], 7),
        Manner::Redirects => (&["redirect"], 7),
        Manner::TakesItAndSendsForever | Manner::TakesItSlowly => (&["delivered"], 1),
    }
}

async fn owe(app: &TestApp, url: &str) -> Value {
    let mut body = hello("you");
    body["webhook"] = json!(url);
    body["webhook_events_filter"] = json!(["completed"]);
    app.create(body).await
}

/// The final message of a prediction with its attempts, once it is settled. Meanwhile time goes by.
async fn settled(app: &TestApp, prediction: &Value) -> Value {
    for _ in 0..4000 {
        let last = app.deliveries(prediction).await.pop();
        if let Some(last) = last.filter(|last| last["state"] != "pending") {
            let id = last["id"].as_str().expect("an id");
            return app.http().get(&format!("/v1/deliveries/{id}")).await.expect(200);
        }
        pause().await;
    }
    panic!("the webhook of {prediction} is not settled: {:?}", app.deliveries(prediction).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_misbehave_ends_as_it_should() {
    let app = TestApp::start().await;
    let rogues = join_all(Manner::ALL.map(Rogue::start)).await;
    let owed = join_all(rogues.iter().map(|rogue| owe(&app, &rogue.url))).await;
    let passes = async {
        // In steps that let each attempt begin, and end by its deadline at the latest.
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            app.advance(Duration::from_secs(2));
        }
    };
    let settled = join_all(owed.iter().map(|prediction| settled(&app, prediction)));
    let settled = tokio::select! {
        settled = settled => settled,
        () = passes => unreachable!("time passes for ever"),
    };
    for (manner, message) in Manner::ALL.into_iter().zip(settled) {
        let log = message["log"].as_array().expect("attempts");
        let (classes, attempts) = expected(manner);
        let state = if attempts == 1 { "delivered" } else { "exhausted" };
        assert_eq!((&message["state"], log.len()), (&json!(state), attempts), "{manner:?}: {message:#}");
        let is_expected = |attempt: &Value| classes.iter().any(|class| attempt["class"] == *class);
        assert!(log.iter().all(is_expected), "{manner:?}: {message:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_receiver_does_not_notice_what_those_beside_it_do() {
    let app = TestApp::start().await;
    let rogues = join_all(Manner::ALL.map(Rogue::start)).await;
    for rogue in &rogues {
        join_all((0..CROWD).map(|_| owe(&app, &rogue.url))).await;
        rogue.wait_for(1).await;
    }
    for count in 1..=HEALTHY {
        let created = owe(&app, &app.receiver.url).await;
        let arrived = app.receiver.wait_for(count);
        let arrived = tokio::time::timeout(PROMPT, arrived).await.expect("it arrives promptly");
        assert!(arrived[count - 1].id().contains(created["id"].as_str().expect("an id")));
    }
    for hook in app.receiver.webhooks() {
        assert_eq!(hook.header("cogwire-attempt"), "1");
    }
}
