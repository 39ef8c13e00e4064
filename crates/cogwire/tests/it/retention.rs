//! What is removed when, and what is not.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Behaviour, TestApp, hello};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn data_is_removed_when_it_is_due_and_the_record_stays() {
    let app = TestApp::start().await;
    let created = app.create(app.with_webhook(hello("Alice"))).await;
    app.wait_ended(&created).await;
    app.wait_delivery_state(&created, "delivered").await;
    app.advance(6 * DAY);
    assert_eq!(app.get_prediction(&created).await["output"], "hello Alice");
    app.advance(2 * DAY);
    let removed = app.wait_removed(&created).await;
    assert_eq!(
        (&removed["input"], &removed["output"], &removed["logs"]),
        (&json!({}), &json!(null), &json!(""))
    );
    assert_eq!(removed["status"], "succeeded");
    app.wait_no_deliveries(&created).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_to_be_sent_is_never_removed() {
    let app = TestApp::start().await;
    app.receiver.always(Behaviour::Hang);
    let created = app.create(app.with_webhook(hello("Alice"))).await;
    let kept = app.create(hello("Bob")).await;
    app.wait_ended(&kept).await;
    app.receiver.wait_for(1).await;
    app.receiver.always(Behaviour::Answer(200));
    // The hanging request reaches its deadline and waits for its next attempt while retention passes by.
    app.advance(8 * DAY);
    app.wait_removed(&kept).await;
    let all = app.receiver.wait_for(2).await;
    assert!(all.iter().all(|hook| hook.json()["output"] == "hello Alice" && hook.id() == all[0].id()));
    app.wait_removed(&created).await;
}
