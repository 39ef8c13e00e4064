//! `Idempotency-Key`: a create happens at most once.

use serde_json::json;

use crate::harness::{TestApp, hello};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_give_the_same_prediction() {
    let app = TestApp::start().await;
    let key = [("idempotency-key", "order-7")];
    let first = app.http().post_with("/v1/predictions", &hello("Alice"), &key).await.expect(201);
    app.wait_ended(&first).await;
    let again = app.http().post_with("/v1/predictions", &hello("Alice"), &key).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json()["id"], first["id"]);
    let other = app.http().post_with("/v1/predictions", &hello("Bob"), &key).await.expect(422);
    assert!(other["detail"].as_str().expect("a detail").contains("Idempotency-Key"), "{other}");
    let list = app.http().get("/v1/predictions").await.expect(200);
    assert_eq!(list["results"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_creates_with_one_key_make_one_prediction() {
    let app = TestApp::start().await;
    let (http, body) = (app.http(), hello("Alice"));
    let creates =
        (0..8).map(|_| async { http.post_with("/v1/predictions", &body, &[("idempotency-key", "k")]).await });
    let replies = futures_util::future::join_all(creates).await;
    let ids: std::collections::HashSet<String> =
        replies.iter().map(|reply| reply.expect(201)["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids.len(), 1);
    app.wait_ended(&json!({"id": ids.iter().next()})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_create_leaves_no_files_behind() {
    let app = TestApp::start().await;
    let body = hello("data:text/plain;base64,aGVsbG8=");
    let key = [("idempotency-key", "with-a-file")];
    let first = app.http().post_with("/v1/predictions", &body, &key).await.expect(201);
    app.wait_ended(&first).await;
    let before = app.stored_files();
    app.http().post_with("/v1/predictions", &body, &key).await.expect(201);
    assert_eq!((before, app.stored_files()), (1, 1));
}
