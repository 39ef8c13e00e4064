//! Canceling, and the deadlines that cancel by themselves.

use std::time::Duration;

use serde_json::json;

use crate::harness::{CHAOS, Options, TestApp, hello};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_answers_canceled_at_once_and_again() {
    let app = TestApp::start().await;
    let created = app.create(json!({"version": CHAOS, "input": {"outcome": "hang"}})).await;
    let first = app.cancel(&created).await.expect(200);
    assert_eq!(first["status"], "canceled");
    assert!(first["completed_at"].is_string());
    let second = app.cancel(&created).await.expect(200);
    assert_eq!(first, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_prediction_stays_as_it_is() {
    let app = TestApp::start().await;
    let created = app.create(hello("you")).await;
    let ended = app.wait_ended(&created).await;
    assert_eq!(app.cancel(&created).await.expect(200), ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_after_cancels_what_runs_and_aborts_what_waits() {
    let app = TestApp::with(Options { max_running: 1, ..Options::default() }).await;
    let body = json!({"version": CHAOS, "input": {"outcome": "hang"}});
    let after = [("cancel-after", "5s")];
    let running = app.http().post_with("/v1/predictions", &body, &after).await.expect(201);
    app.wait_for_status(&running, "processing").await;
    let waiting = app.http().post_with("/v1/predictions", &body, &[("cancel-after", "6s")]).await.expect(201);
    assert!(running["deadline"].is_string());
    app.advance(Duration::from_secs(7));
    assert_eq!(app.wait_ended(&running).await["status"], "canceled");
    let aborted = app.wait_ended(&waiting).await;
    assert!(["aborted", "canceled"].contains(&aborted["status"].as_str().expect("a status")));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_clients_see_aborted_as_canceled() {
    let app = TestApp::with(Options { max_running: 1, ..Options::default() }).await;
    let hang = json!({"version": CHAOS, "input": {"outcome": "hang"}});
    let running = app.create(hang.clone()).await;
    app.wait_for_status(&running, "processing").await;
    let waiting = app.http().post_with("/v1/predictions", &hang, &[("cancel-after", "5s")]).await.expect(201);
    app.advance(Duration::from_secs(6));
    assert_eq!(app.wait_ended(&waiting).await["status"], "aborted");
    for agent in ["replicate-python/1.0.7", "replicate-javascript/1.4.0"] {
        let request =
            app.http().request(reqwest::Method::GET, waiting["urls"]["get"].as_str().expect("a URL"));
        let request = request.bearer_auth(app.http().token).header("user-agent", agent);
        assert_eq!(crate::harness::send(request).await.expect(200)["status"], "canceled", "{agent}");
    }
    app.cancel(&running).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_too_long_fails_with_the_reason() {
    let app = TestApp::start().await;
    let created = app.create(json!({"version": CHAOS, "input": {"outcome": "hang"}})).await;
    app.wait_for_status(&created, "processing").await;
    app.advance(Duration::from_secs(31 * 60));
    let ended = app.wait_ended(&created).await;
    assert_eq!(ended["status"], "failed");
    assert!(ended["error"].as_str().expect("a reason").contains("timed out"), "{ended}");
}
