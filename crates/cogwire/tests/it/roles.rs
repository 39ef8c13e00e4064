//! Servers that share a database and divide the work.

use cogwire::config::Roles;
use cogwire::lifecycle::SystemClock;
use cogwire_core::time::{Clock, Timestamp};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

use crate::harness::{Options, TestApp, TestStore, hello, send};

const API: Roles = Roles { api: true, run: false, deliver: false };
const RUN: Roles = Roles { api: false, run: true, deliver: false };
const DELIVER: Roles = Roles { api: false, run: false, deliver: true };

async fn api_alone() -> TestApp {
    TestApp::on(TestStore::postgres().await, Options { roles: API, ..Options::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_the_api_answers_only_how_it_is() {
    let app = api_alone().await;
    let other = app.beside(Roles { run: true, ..DELIVER }).await;
    let get = async |path| send(other.server.http.request(Method::GET, path)).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(path).await.status, 200, "{path}");
    }
    assert_eq!(get("/readyz").await.json()["roles"], json!(["run", "deliver"]));
    for path in ["/", "/v1/predictions", "/p/x", "/download/x/y", "/v1/streams/x"] {
        let reply = get(path).await;
        let detail = reply.expect(404)["detail"].to_string();
        assert!(detail.contains("does not answer the API"), "{path}: {detail}");
    }
    other.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_node_runs_waits_says_so_and_is_run_and_told_once_there_are_nodes() {
    let app = api_alone().await;
    // A node that was there once has made its models known.
    app.beside(RUN).await.server.stop().await;
    app.advance(Duration::from_secs(2));
    let reply = app.http().post("/v1/predictions", &app.with_webhook(hello("Alice"))).await;
    let created = reply.expect(201);
    let warning = reply.header("cogwire-warning");
    assert!(warning.contains("no running node serves this version") && warning.contains("24 h"), "{warning}");
    let shown = app.http().get(created["urls"]["get"].as_str().expect("a URL")).await;
    assert_eq!(shown.header("cogwire-warning"), warning);
    let page = send(app.http().request(Method::GET, created["urls"]["web"].as_str().expect("a URL"))).await;
    assert!(page.text.contains(warning), "{}", page.text);

    let (run, deliver) = (app.beside(RUN).await, app.beside(DELIVER).await);
    assert_eq!(app.wait_ended(&created).await["output"], "hello Alice");
    app.receiver.wait_completed().await.assert_signed(&app.secret().await);
    app.advance(Duration::from_secs(2));
    let again = app.http().post("/v1/predictions", &hello("Bob")).await;
    assert!(again.headers.get("cogwire-warning").is_none(), "somebody runs it now");
    for other in [run, deliver] {
        other.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_is_wrong_goes_by_the_databases() {
    let options = Options { corrected: true, ..Options::default() };
    let mut app = TestApp::on(TestStore::postgres().await, options).await;
    app.advance(Duration::from_secs(3600));
    app.restart().await;
    let created = app.create(hello("Alice")).await;
    let at = Timestamp::parse(created["created_at"].as_str().expect("a time")).expect("a time");
    let now = SystemClock.now();
    assert!(at.since(now).max(now.since(at)) < Duration::from_secs(60), "{at} and {now}");
    app.wait_ended(&created).await;
}
