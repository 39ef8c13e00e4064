//! A restart loses nothing.

use serde_json::json;

use crate::harness::{Behaviour, CHAOS, Options, Process, TestApp, hello};

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_waits_is_sent_after_a_restart_with_the_same_id_and_body() {
    let mut app = TestApp::start().await;
    app.receiver.always(Behaviour::Answer(500));
    let created = app.create(app.with_webhook(hello("Alice"))).await;
    app.wait_for_attempts(&created, 1).await;
    app.restart().await;
    app.receiver.always(Behaviour::Answer(200));
    app.advance(std::time::Duration::from_secs(5));
    app.wait_delivery_state(&created, "delivered").await;
    let all = app.receiver.webhooks();
    assert!(all.len() >= 2 && all.iter().all(|hook| hook.id() == all[0].id() && hook.body == all[0].body));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_begun_is_interrupted_and_what_waited_is_run() {
    let mut app = TestApp::with(Options { max_running: 1, ..Options::default() }).await;
    let body = app.with_webhook(json!({"version": CHAOS, "input": {"outcome": "hang"}}));
    let running = app.create(body).await;
    app.wait_for_status(&running, "processing").await;
    let waiting = app.create(hello("Bob")).await;
    app.restart().await;
    let ended = app.wait_ended(&running).await;
    assert_eq!(ended["status"], "failed");
    assert!(ended["error"].as_str().expect("a reason").contains("interrupted"), "{ended}");
    assert_eq!(app.receiver.wait_completed().await.json()["status"], "failed");
    assert_eq!(app.wait_ended(&waiting).await["output"], "hello Bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_the_secret_outlive_a_restart() {
    let mut app = TestApp::start().await;
    let before = app.http().get("/v1/webhooks/default/secret").await.expect(200);
    app.restart().await;
    assert_eq!(app.http().get("/v1/webhooks/default/secret").await.expect(200), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_log_nobody_reads_any_more_works_and_stops() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Process::start_unheard(dir.path()).await;
    let created = server.http.post("/v1/predictions", &hello("Alice")).await;
    assert_eq!(created.status, 201, "{}", created.text);
    server.terminate();
    assert!(server.ended().await.success());
}
