//! What receivers get: which messages, in which order, signed, retried, explained.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Behaviour, STORY, TestApp, hello};

#[tokio::test(flavor = "multi_thread")]
async fn all_four_events_arrive_in_order_signed_and_numbered() {
    let app = TestApp::start().await;
    let created = app.create(app.story(["start", "output", "logs", "completed"])).await;
    let last = app.receiver.wait_completed().await;
    let all = app.receiver.webhooks();
    let secret = app.secret().await;
    all.iter().for_each(|hook| hook.assert_signed(&secret));
    assert_eq!(all[0].event(), "start");
    assert_eq!(all[0].json()["status"], "processing");
    assert!(all.iter().any(|hook| matches!(hook.event(), "output" | "logs")), "progress was sent");
    let sequences: Vec<u32> =
        all.iter().map(|hook| hook.header("cogwire-sequence").parse().expect("a number")).collect();
    assert_eq!(sequences, (1..=all.len() as u32).collect::<Vec<_>>());
    assert_eq!(last.header("cogwire-sequence"), all.len().to_string());
    assert_eq!(last.json()["status"], "succeeded");
    assert_eq!(last.id(), format!("msg_{}_{}", created["id"].as_str().expect("an id"), all.len()));
    assert_eq!(last.json(), app.get_prediction(&created).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_keeps_the_pace() {
    let app = TestApp::start().await;
    let created = app.create(app.story(["output"])).await;
    app.receiver
        .wait_until("the newest snapshot", |all| {
            all.last().is_some_and(|hook| hook.json()["output"].as_array().map(Vec::len) == Some(STORY.len()))
        })
        .await;
    let deliveries = app.deliveries(&created).await;
    let starts: Vec<i64> = deliveries.iter().map(|delivery| micros(&delivery["created_at"])).collect();
    assert!(starts.len() >= 2, "{starts:?}");
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 500_000), "{starts:?}");
}

fn micros(time: &Value) -> i64 {
    cogwire_core::time::Timestamp::parse(time.as_str().expect("a time")).expect("a time").as_micros()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_filter_output_and_completed_are_sent() {
    let app = TestApp::start().await;
    app.create(app.with_webhook(hello("Alice"))).await;
    let hook = app.receiver.wait_completed().await;
    assert_eq!(hook.json()["output"], "hello Alice");
    assert_eq!(app.receiver.webhooks().len(), 1, "completed takes the place of output that still waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_is_tried_again_with_the_same_id_and_body_until_it_is_taken() {
    let app = TestApp::start().await;
    app.receiver.then([Behaviour::Answer(500), Behaviour::Answer(404), Behaviour::Answer(302)]);
    let created = app.create(app.with_webhook(hello("Bob"))).await;
    for attempts in 1..=3 {
        app.receiver.wait_for(attempts).await;
        app.wait_for_attempts(&created, attempts).await;
        app.advance(Duration::from_secs(10));
    }
    let all = app.receiver.wait_for(4).await;
    assert!(all.iter().all(|hook| hook.id() == all[0].id() && hook.body == all[0].body));
    let attempts: Vec<&str> = all.iter().map(|hook| hook.header("cogwire-attempt")).collect();
    assert_eq!(attempts, ["1", "2", "3", "4"]);
    let delivery = app.wait_delivery_state(&created, "delivered").await;
    assert_eq!(delivery["attempts"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nobody_takes_is_given_up_kept_and_can_be_sent_again() {
    let app = TestApp::start().await;
    app.receiver.always(Behaviour::Answer(503));
    let created = app.create(app.with_webhook(hello("Carol"))).await;
    let given_up = app.wait_given_up(std::slice::from_ref(&created)).await.swap_remove(0);
    app.receiver.always(Behaviour::Answer(200));
    let id = given_up["id"].as_str().expect("an id");
    app.http().post(&format!("/v1/deliveries/{id}/resend"), &json!({})).await.expect(202);
    app.wait_delivery_state(&created, "delivered").await;
    let all = app.receiver.webhooks();
    let again = all.last().expect("it was sent again");
    assert_eq!((all.len(), again.id(), again.header("cogwire-resent")), (8, id, "true"));
    assert_eq!(again.body, all[0].body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_on_progress_delays_completed_by_its_deadline_only() {
    let app = TestApp::start().await;
    app.receiver.then([Behaviour::Hang]);
    let created = app.create(app.story(["start", "completed"])).await;
    app.receiver.wait_for(1).await;
    app.wait_ended(&created).await;
    assert_eq!(app.receiver.webhooks().len(), 1, "completed waits for the request before it");
    app.advance(Duration::from_secs(6));
    app.receiver.wait_completed().await;
    let first = app.deliveries(&created).await.swap_remove(0);
    assert_eq!(first["state"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_is_explained() {
    let app = TestApp::start().await;
    let mut body = app.with_webhook(hello("Dan"));
    body["webhook_events_filter"] = json!(["start"]);
    let created = app.create(body).await;
    app.wait_ended(&created).await;
    app.receiver.wait_for(1).await;
    app.settle().await;
    let reply = app
        .http()
        .get(&format!("/v1/predictions/{}/deliveries", created["id"].as_str().expect("an id")))
        .await;
    assert!(reply.text.contains("filter"), "{}", reply.text);
    assert_eq!(app.receiver.webhooks().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_is_sent_to_those_who_ask_for_it() {
    let app = TestApp::start().await;
    let body = app.with_webhook(hello("Eve"));
    app.http().post_with("/v1/predictions", &body, &[("cogwire-webhook-payload", "event")]).await.expect(201);
    let hook = app.receiver.wait_completed().await.json();
    assert_eq!(
        (&hook["type"], &hook["data"]["output"]),
        (&json!("prediction.completed"), &json!("hello Eve"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_cancel_and_success_each_yield_one_completed() {
    let app = TestApp::start().await;
    for outcome in ["success", "failure", "crash"] {
        let mut body =
            app.with_webhook(json!({"version": crate::harness::CHAOS, "input": {"outcome": outcome}}));
        body["webhook_events_filter"] = json!(["completed"]);
        app.create(body).await;
    }
    let mut body = app.with_webhook(json!({"version": crate::harness::CHAOS, "input": {"outcome": "hang"}}));
    body["webhook_events_filter"] = json!(["completed"]);
    let hanging = app.create(body).await;
    app.cancel(&hanging).await.expect(200);
    let all = app.receiver.wait_for(4).await;
    app.settle().await;
    let mut statuses: Vec<String> =
        all.iter().map(|hook| hook.json()["status"].as_str().expect("a status").to_owned()).collect();
    statuses.sort();
    assert_eq!(statuses, ["canceled", "failed", "failed", "succeeded"]);
    assert_eq!(app.receiver.webhooks().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_messages_refuses_a_filter_that_it_does_not_have() {
    let app = TestApp::start().await;
    let reply = app.http().get("/v1/deliveries?status=pending").await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    assert!(reply.text.contains("did you mean state?"), "{}", reply.text);
    app.http().get("/v1/deliveries?state=pending").await.expect(200);
}
