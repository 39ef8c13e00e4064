//! What signs webhooks: rotated with an overlap, retired, sealed in the database.

use std::path::Path;
use std::time::Duration;

use cogwire::config::Database;
use cogwire_core::webhook::signature::{Received, Secret, Verifier, verify_with};
use cogwire_core::webhook::vault::Vault;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::harness::{Http, Options, Process, TestApp, TestStore, Webhook, cogwire, hello, output, serve};

const LIST: &str = "/v1/webhooks/default/secrets";
const ROTATE: &str = "/v1/webhooks/default/secret/rotate";
const RETIRE: &str = "/v1/webhooks/default/secret/retire";

/// A message whose first attempt is made from now on.
async fn next_webhook(app: &TestApp) -> Webhook {
    let before = app.receiver.webhooks().len();
    // What the sender remembers of secrets is old after a second.
    app.advance(Duration::from_secs(2));
    app.create(app.with_webhook(hello("Alice"))).await;
    app.receiver.wait_for(before + 1).await.pop().expect("it was just there")
}

fn entries(hook: &Webhook) -> usize {
    hook.header("webhook-signature").split(' ').count()
}

/// The kinds and states of all secrets, the newest first.
async fn states(http: &Http) -> Vec<String> {
    let list = http.get(LIST).await.expect(200);
    let state = |secret: &Value| format!("{} {}", secret["kind"], secret["state"]).replace('"', "");
    list["results"].as_array().expect("a list").iter().map(state).collect()
}

fn secret(made: &Value) -> Secret {
    Secret::parse(made["key"].as_str().expect("a key")).expect("a secret")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_rotated_without_a_message_that_a_receiver_cannot_verify() {
    let app = TestApp::start().await;
    let before = app.secret().await;
    let made = app.http().post(ROTATE, &json!({"overlap": "24h"})).await.expect(201);
    let after = app.secret().await;
    assert_eq!((secret(&made).expose(), &made["state"]), (after.expose(), &json!("current")));
    assert_ne!(before.expose(), after.expose());
    let during = next_webhook(&app).await;
    during.assert_signed(&before);
    during.assert_signed(&after);
    assert_eq!(states(&app.http()).await, ["hmac current", "hmac previous"]);
    app.advance(Duration::from_secs(24 * 60 * 60));
    let later = next_webhook(&app).await;
    later.assert_signed(&after);
    assert_eq!(entries(&later), 1);
    assert_eq!(states(&app.http()).await, ["hmac current", "hmac retired"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_shown_of_what_is_current_only() {
    let app = TestApp::start().await;
    app.http().post(ROTATE, &json!({})).await.expect(201);
    app.http().post(ROTATE, &json!({"kind": "ed25519"})).await.expect(201);
    let list = app.http().get(LIST).await.expect(200);
    let text = serde_json::to_string_pretty(&list).expect("JSON");
    insta::with_settings!({filters => vec![
        (r#"wh(sec|pk)_[A-Za-z0-9+/]{43}="#, "wh${1}_[key]"),
        (r#"\d{4}-\d\d-\d\dT[0-9:.]+Z"#, "[time]"),
    ]}, { insta::assert_snapshot!("secrets", text) });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_key_signs_beside_the_secret_and_its_public_key_verifies() {
    let app = TestApp::start().await;
    let made = app.http().post(ROTATE, &json!({"kind": "ed25519"})).await.expect(201);
    assert!(made["key"].is_null(), "the private key stays here: {made}");
    let public = Verifier::parse(made["public_key"].as_str().expect("a key")).expect("a public key");
    let hook = next_webhook(&app).await;
    hook.assert_signed(&app.secret().await);
    let received = Received {
        id: Some(hook.id()),
        timestamp: Some(hook.header("webhook-timestamp")),
        signature: Some(hook.header("webhook-signature")),
        body: &hook.body,
    };
    let now = app.now().as_seconds();
    assert_eq!(verify_with(&[public], &received, now, 300).map(|verified| verified.secret), Ok(0));
    app.http().post(RETIRE, &json!({"id": made["id"]})).await.expect(200);
    assert_eq!(entries(&next_webhook(&app).await), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_retired_by_hand_and_the_last_one_stays() {
    let app = TestApp::start().await;
    for _ in 2..=10 {
        app.http().post(ROTATE, &json!({})).await.expect(201);
    }
    let refused = app.http().post(ROTATE, &json!({})).await.expect(409);
    assert!(
        refused["detail"].as_str().is_some_and(|text| text.contains("10 secrets sign already")),
        "{refused}"
    );
    assert_eq!(entries(&next_webhook(&app).await), 10);
    let list = app.http().get(LIST).await.expect(200);
    let current = json!({"id": list["results"][0]["id"]});
    app.http().post(RETIRE, &current).await.expect(409);
    let retired = app.http().post(RETIRE, &json!({})).await.expect(200);
    assert_eq!(retired["retired"].as_array().map(Vec::len), Some(9));
    app.http().post(RETIRE, &current).await.expect(409);
    app.http().post(RETIRE, &json!({"id": 4711})).await.expect(404);
    app.http().post(RETIRE, &json!({"ids": [1]})).await.expect(422);
    let hook = next_webhook(&app).await;
    hook.assert_signed(&app.secret().await);
    assert_eq!(entries(&hook), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_the_configuration_gives_is_changed_there() {
    let fixed = Secret::from_key(&[3; 32]).expect("long enough");
    let app = TestApp::with(Options { webhook_secret: Some(fixed.clone()), ..Options::default() }).await;
    assert_eq!(app.secret().await.expose(), fixed.expose());
    let refused = app.http().post(ROTATE, &json!({})).await.expect(409);
    assert!(
        refused["detail"].as_str().is_some_and(|text| text.contains("COGWIRE_WEBHOOK_SECRET")),
        "{refused}"
    );
    app.http().post(ROTATE, &json!({"kind": "ed25519"})).await.expect(201);
    assert_eq!(states(&app.http()).await, ["ed25519 current", "hmac current"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_rotates_and_retires() {
    let app = TestApp::start().await;
    let says = async |arguments: &[&str]| {
        let mut command = cogwire();
        let http = app.http();
        command.args(["webhooks", "secret"]).args(arguments).args([
            "--url",
            &http.base,
            "--token",
            &http.token,
        ]);
        let output = output(command).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        (String::from_utf8(output.stdout).expect("text").trim().to_owned(), said)
    };
    let before = says(&[]).await.0;
    let (made, advice) = says(&["rotate", "--overlap", "1h"]).await;
    assert!(made.starts_with("whsec_") && made != before && advice.contains("for 1h"), "{made} {advice}");
    assert_eq!(says(&["show"]).await.0, made);
    let (public, advice) = says(&["rotate", "--kind", "ed25519"]).await;
    assert!(public.starts_with("whpk_") && advice.contains("No other of its kind"), "{public} {advice}");
    let table = says(&["ls"]).await.0;
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(says(&["retire"]).await.1.contains("does not sign any more"));
    assert!(says(&["retire"]).await.1.contains("nothing to retire"));
}

/// A key as `openssl rand -base64 32` prints it.
const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const OTHER_KEY: &str = "MTEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Starts a server with this key, and gives its current secret and what an export of its database says after it.
async fn secret_and_export(dir: &Path, key: Option<&str>) -> (String, String) {
    let mut command = serve(dir);
    command.envs(key.map(|key| ("COGWIRE_SECRET_KEY", key)));
    let mut server = Process::start_as(command).await;
    let secret = server.http.get("/v1/webhooks/default/secret").await.expect(200);
    server.terminate();
    assert!(server.ended().await.success());
    let mut export = cogwire();
    export.args(["export", "--data-dir"]).arg(dir);
    let export = output(export).await;
    (secret["key"].as_str().expect("a key").to_owned(), String::from_utf8(export.stdout).expect("text"))
}

/// What a server says that does not start with this key.
async fn refusal(dir: &Path, key: Option<&str>) -> String {
    let mut command = serve(dir);
    command.envs(key.map(|key| ("COGWIRE_SECRET_KEY", key)));
    let output = output(command).await;
    assert!(!output.status.success() && output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_a_key_holds_no_secret_that_signs_without_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (open, export) = secret_and_export(dir.path(), None).await;
    assert!(export.contains(&open), "without a key, secrets are stored as they are");
    let (sealed, export) = secret_and_export(dir.path(), Some(KEY)).await;
    assert_eq!(sealed, open);
    assert!(export.contains("enc1:") && !export.contains("whsec_"));
    let (again, unchanged) = secret_and_export(dir.path(), Some(KEY)).await;
    assert_eq!((&again, secret_rows(&unchanged)), (&open, secret_rows(&export)), "it is sealed once");
    for (key, reason) in [(None, "it is sealed"), (Some(OTHER_KEY), "does not open with this secret key")] {
        let said = refusal(dir.path(), key).await;
        assert_eq!((said.lines().count(), said.matches("--secret-key-file").count()), (1, 1), "{said}");
        assert!(said.contains(reason), "{said}");
        assert!(!said.contains("enc1:") && !said.contains("MTEy"), "{said}");
    }
    let said = refusal(dir.path(), Some("c2hvcnQ=")).await;
    assert!(said.contains("COGWIRE_SECRET_KEY: a secret key is"), "{said}");
}

fn secret_rows(export: &str) -> Vec<&str> {
    export.lines().filter(|line| line.contains("enc1:")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_secret_is_read_from_the_database_with_its_key() {
    let options = Options { vault: Vault::parse(KEY).expect("a key"), ..Options::default() };
    let app = TestApp::on(TestStore::postgres().await, options).await;
    let Database { url, .. } = app.store().database().expect("it is PostgreSQL");
    let read = async |key: Option<&str>| {
        let mut command = cogwire();
        command.args(["webhooks", "secret", "--database-url", url.expose_secret()]);
        command.envs(key.map(|key| ("COGWIRE_SECRET_KEY", key)));
        output(command).await
    };
    let with = read(Some(KEY)).await;
    assert_eq!(String::from_utf8_lossy(&with.stdout).trim(), app.secret().await.expose());
    next_webhook(&app).await.assert_signed(&app.secret().await);
    let without = read(None).await;
    let said = String::from_utf8_lossy(&without.stderr);
    assert!(without.stdout.is_empty() && said.contains("--secret-key-file"), "{said}");
}
