//! Trainings of a model, and the versions that they make.

use serde_json::{Value, json};

use super::folder::{Folder, ZOO as CODE};
use super::site::{Site, ZOO, text};
use crate::harness::Reply;

const TUNED: &str = "acme/tuned";

/// What callers of trainings ask their webhooks to carry.
const METADATA: &str = "of a training";

/// A server with a model that can be trained, and one for what becomes of it.
async fn start() -> Site {
    // Weights are shown as URLs of files.
    let site = Site::with_zoo(&["--output-files", "url"]).await;
    let body = json!({"owner": "acme", "name": "tuned", "visibility": "private", "hardware": "cpu"});
    site.http().post("/v1/models", &body).await.expect(201);
    site
}

async fn try_training(site: &Site, version: &str, destination: &str, input: Value) -> Reply {
    let body = json!({
        "destination": destination, "input": input, "webhook": site.receiver.url, "webhook_events_filter": ["completed"]
    });
    let path = format!("/v1/models/{ZOO}/versions/{version}/trainings");
    site.http().post_with(&path, &body, &[("cogwire-metadata", METADATA)]).await
}

async fn train(site: &Site, input: Value) -> Value {
    try_training(site, &site.latest(ZOO).await, TUNED, input).await.expect(201)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_makes_a_version_that_knows_what_it_learned() {
    let site = start().await;
    let training = train(&site, json!({"text": "good evening"})).await;
    let ended = site.end(&training).await;
    assert_eq!((&ended["status"], &ended["logs"]), (&json!("succeeded"), &json!("training\n")), "{ended}");
    assert_eq!(site.told(&training).await["output"], ended["output"]);
    assert_eq!(site.receiver.wait_completed().await.header("cogwire-metadata"), METADATA);
    let version = text(&ended["output"]["version"]);
    assert_eq!(version, format!("{TUNED}:{}", site.latest(TUNED).await));
    for version in [version, TUNED] {
        let created = site.create_with(version, json!({"text": "Alice"})).await;
        let ended = site.end(&created).await;
        assert_eq!(ended["output"], "good evening Alice", "{ended}");
    }
    assert_eq!(
        site.run(json!({"text": "Alice"})).await["output"],
        "hello Alice",
        "the other stays as it was"
    );
    let weights = site.http().get(text(&ended["output"]["weights"])).await;
    assert_eq!(weights.text, "good evening");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_is_shown_among_trainings_where_it_is_read_as_one() {
    let site = start().await;
    let training = train(&site, json!({"text": "good evening"})).await;
    let id = text(&training["id"]);
    for collection in ["predictions", "trainings"] {
        let shown = site.http().get(&format!("/v1/{collection}/{id}")).await.expect(200);
        let path = format!("/v1/{collection}/{id}");
        assert!(text(&shown["urls"]["get"]).ends_with(&path), "{shown}");
        assert!(text(&shown["urls"]["cancel"]).ends_with(&format!("{path}/cancel")), "{shown}");
    }
    assert_eq!(site.end(&training).await["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_trained_is_refused() {
    let site = start().await;
    let version = site.latest(ZOO).await;
    let rigid = site.add(&Folder::of(CODE), ZOO).await.version();
    let mut told = Vec::new();
    for (version, destination, input) in [
        (&version, "acme/nowhere", json!({})),
        (&version, TUNED, json!({"text": 1})),
        (&rigid, TUNED, json!({})),
    ] {
        let reply = try_training(&site, version, destination, input).await;
        told.push(format!("{} {}", reply.status, reply.text.replace(version, "VERSION")));
    }
    insta::assert_snapshot!("refused_trainings", told.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_fails_or_is_cancelled_makes_no_version() {
    let site = start().await;
    let failing = train(&site, json!({"act": "fails"})).await;
    let failed = site.end(&failing).await;
    assert_eq!(
        (&failed["status"], &failed["error"]),
        (&json!("failed"), &json!("There is nothing to learn"))
    );
    assert!(text(&failed["logs"]).starts_with("training\nTraceback (most recent call last):\n"), "{failed}");
    assert_eq!(site.told(&failing).await["error"], failed["error"]);

    let waiting = train(&site, site.gate("never").input()).await;
    site.begun(&waiting).await;
    assert_eq!(site.cancel(&waiting).await["status"], "canceled");
    assert_eq!(site.told(&waiting).await["status"], "canceled");
    let model = site.http().get("/v1/models/acme/tuned").await.expect(200);
    assert_eq!(model["latest_version"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_is_interrupted_is_never_run_again() {
    let mut site = start().await;
    let gate = site.gate("go");
    let training = train(&site, gate.input()).await;
    site.begun(&training).await;
    site.kill();
    gate.open();
    site.restart().await;
    let ended = site.end(&training).await;
    assert_eq!(ended["status"], "failed");
    assert!(text(&ended["error"]).contains("interrupted"), "{ended}");
    assert_eq!(site.told(&training).await["status"], "failed");
    assert_eq!(site.run(json!({"text": "Bob"})).await["output"], "hello Bob");
    let begun = std::fs::read_to_string(format!("{}.begun", gate.path())).expect("it had begun");
    assert_eq!(begun, "begun\n");
}
