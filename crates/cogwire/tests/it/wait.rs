//! `Prefer: wait`: the answer is held until the end, and never longer than asked.

use std::time::Duration;

use serde_json::json;

use crate::harness::{CHAOS, TestApp, hello};

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_wait_answers_with_the_result() {
    let app = TestApp::start().await;
    let reply = app.http().post_with("/v1/predictions", &hello("Alice"), &[("prefer", "wait")]).await;
    let body = reply.expect(201);
    assert_eq!((&body["status"], &body["output"]), (&json!("succeeded"), &json!("hello Alice")));
    assert_eq!(reply.header("preference-applied"), "wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_whose_time_is_up_answers_starting() {
    let app = TestApp::start().await;
    let body = json!({"version": CHAOS, "input": {"outcome": "hang"}});
    let (http, clock) = (app.http(), app.clock());
    let held = async { http.post_with("/v1/predictions", &body, &[("prefer", "wait=30")]).await };
    let advance = async {
        app.wait_for_status_of_newest("processing").await;
        clock.advance(Duration::from_secs(31));
    };
    let (reply, ()) = tokio::join!(held, advance);
    let body = reply.expect(202);
    assert_eq!(
        (&body["status"], &body["output"], &body["started_at"]),
        (&json!("starting"), &json!(null), &json!(null))
    );
    assert_eq!(app.get_prediction(&body).await["status"], "processing", "it goes on");
    app.cancel(&body).await.expect(200);
}
