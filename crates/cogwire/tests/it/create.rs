//! Creating predictions, by version and by model.

use serde_json::json;

use crate::harness::{HELLO, HELLO_OLD, TestApp, hello};

#[tokio::test(flavor = "multi_thread")]
async fn a_create_answers_at_once_with_the_whole_prediction() {
    let app = TestApp::start().await;
    let reply = app.http().post("/v1/predictions", &hello("Alice")).await;
    let body = reply.expect(201);
    assert!(reply.text.ends_with("}\n"));
    assert_eq!(reply.header("location"), body["urls"]["get"].as_str().expect("a URL"));
    assert_eq!(body["status"], "starting");
    assert_eq!(body["model"], "replicate/hello-world");
    for (key, value) in
        [("output", json!(null)), ("error", json!(null)), ("logs", json!("")), ("data_removed", json!(false))]
    {
        assert_eq!(body[key], value, "{key}");
    }
    let ended = app.wait_ended(&body).await;
    assert_eq!((&ended["status"], &ended["output"]), (&json!("succeeded"), &json!("hello Alice")));
    assert!(ended["metrics"]["predict_time"].is_number());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_name_a_version_works() {
    let app = TestApp::start().await;
    let named = format!("replicate/hello-world:{HELLO}");
    for version in [HELLO, HELLO_OLD, named.as_str(), "replicate/hello-world"] {
        let created = app.create(json!({"version": version, "input": {"text": "you"}})).await;
        assert_eq!(app.wait_ended(&created).await["output"], "hello you", "{version}");
    }
    let by_name = app
        .http()
        .post("/v1/models/replicate/hello-world/predictions", &json!({"input": {"text": "me"}}))
        .await;
    assert_eq!(app.wait_ended(&by_name.expect(201)).await["output"], "hello me");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_three_bases_and_both_schemes_answer() {
    let app = TestApp::start().await;
    for base in ["/v1", "", "/v1/v1"] {
        app.http().get(&format!("{base}/account")).await.expect(200);
    }
    for scheme in ["Bearer", "bearer", "Token", "token"] {
        let request = app.http().request(reqwest::Method::GET, "/v1/account");
        let reply =
            crate::harness::send(request.header("authorization", format!("{scheme} {}", app.http().token)))
                .await;
        reply.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_shows_models_and_their_schema() {
    let app = TestApp::start().await;
    let model = app.http().get("/v1/models/replicate/hello-world").await.expect(200);
    assert_eq!(model["latest_version"]["id"].as_str().map(str::len), Some(64));
    let versions = app.http().get("/v1/models/replicate/hello-world/versions").await.expect(200);
    assert_eq!(versions["results"].as_array().map(Vec::len), Some(2));
    let version =
        app.http().get(&format!("/v1/models/replicate/hello-world/versions/{HELLO}")).await.expect(200);
    assert_eq!(version["openapi_schema"]["components"]["schemas"]["Input"]["required"], json!(["text"]));
}
