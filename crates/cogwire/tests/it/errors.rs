//! Every error body, as callers see it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{CHAOS, HELLO, Reply, TestApp, send};

/// Status, content type and body: what a client can depend on.
fn shape(reply: &Reply) -> Value {
    json!({"status": reply.status, "type": reply.header("content-type"), "body": reply.json()})
}

#[tokio::test(flavor = "multi_thread")]
async fn error_bodies() {
    let app = TestApp::start().await;
    let none = app.http().request(Method::GET, "/v1/predictions/nope");
    insta::assert_json_snapshot!("no_token", shape(&send(none).await));
    let bad = app.http().request(Method::GET, "/v1/account").bearer_auth("r8_wrong");
    insta::assert_json_snapshot!("bad_token", shape(&send(bad).await));
    for (name, path) in [
        ("unknown_prediction", "/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu"),
        ("unknown_path", "/v1/nothing/here"),
        ("unknown_model", "/v1/models/no/body"),
        ("bad_cursor", "/v1/predictions?cursor=%21"),
        ("bad_source", "/v1/predictions?source=robot"),
        ("bad_time", "/v1/predictions?created_after=yesterday"),
        ("unknown_delivery", "/v1/deliveries/msg_gm3qorzdhgbfurvjtvhg6dckhu_1"),
    ] {
        insta::assert_json_snapshot!(name, shape(&app.http().get(path).await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_creates() {
    let app = TestApp::start().await;
    let text = json!({"text": "you"});
    for (name, body) in [
        ("model_instead_of_version", json!({"model": "replicate/hello-world", "input": text})),
        ("unknown_field", json!({"version": HELLO, "input": text, "webhook_event_filter": ["completed"]})),
        ("unknown_version", json!({"version": "f".repeat(64), "input": text})),
        ("missing_input", json!({"version": HELLO})),
        ("required_input", json!({"version": HELLO, "input": {}})),
        ("wrong_type", json!({"version": HELLO, "input": {"text": 7}})),
        ("too_large_number", json!({"version": CHAOS, "input": {"sleep": 301}})),
        ("unknown_choice", json!({"version": CHAOS, "input": {"outcome": "explode"}})),
        ("unknown_event", json!({"version": HELLO, "input": text, "webhook_events_filter": ["finished"]})),
        ("relative_webhook", json!({"version": HELLO, "input": text, "webhook": "/hook"})),
        ("private_webhook", json!({"version": HELLO, "input": text, "webhook": "http://10.0.0.5/hook"})),
        (
            "metadata_webhook",
            json!({"version": HELLO, "input": text, "webhook": "http://169.254.169.254/latest"}),
        ),
        ("not_an_object", json!([1, 2])),
    ] {
        insta::assert_json_snapshot!(name, shape(&app.http().post("/v1/predictions", &body).await));
    }
    let body = json!({"version": HELLO, "input": text});
    for (name, after) in
        [("cancel_after_short", "4s"), ("cancel_after_garbage", "soon"), ("cancel_after_long", "25h")]
    {
        let reply = app.http().post_with("/v1/predictions", &body, &[("cancel-after", after)]).await;
        insta::assert_json_snapshot!(name, shape(&reply));
    }
    let broken = app.http().request(Method::POST, "/v1/predictions").bearer_auth(app.http().token);
    insta::assert_json_snapshot!("malformed_json", shape(&send(broken.body("{\"version\": ")).await));
}
