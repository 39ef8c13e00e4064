//! What the outside sees besides predictions: health, metrics, pages, help.

use reqwest::Method;
use serde_json::json;

use crate::harness::{CHAOS, Options, TestApp, cogwire, hello, send, serve};

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_need_no_token() {
    let app = TestApp::start().await;
    for path in ["/", "/healthz", "/readyz", "/metrics"] {
        assert_eq!(send(app.http().request(Method::GET, path)).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_prediction_opens_with_its_key_only() {
    let app = TestApp::start().await;
    let created = app.create(hello("<b>Alice</b>")).await;
    app.wait_ended(&created).await;
    let url = created["urls"]["web"].as_str().expect("a URL");
    let page = send(app.http().request(Method::GET, url)).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("succeeded") && page.text.contains("hello &lt;b&gt;Alice"), "{}", page.text);
    let bare = url.split('?').next().expect("a path");
    assert_eq!(send(app.http().request(Method::GET, bare)).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_prediction_says_what_it_waits_for() {
    let app = TestApp::with(Options { max_running: 1, ..Options::default() }).await;
    let before = app.create(json!({"version": CHAOS, "input": {"outcome": "hang"}})).await;
    for (waits, said) in [
        (app.create(hello("Alice")).await, "Next to run when an instance is free."),
        (app.create(hello("Bob")).await, "Waiting: 1 prediction is before it."),
    ] {
        let url = waits["urls"]["web"].as_str().expect("a URL");
        let page = send(app.http().request(Method::GET, url)).await.text;
        assert!(page.contains(&format!(r#"<p class="live">{said}</p>"#)), "{page}");
        assert!(page.contains(r#"http-equiv="refresh""#), "{page}");
    }
    app.cancel(&before).await;
    let url = before["urls"]["web"].as_str().expect("a URL");
    let page = send(app.http().request(Method::GET, url)).await.text;
    assert!(!page.contains(r#"<p class="live">"#), "nothing is waited for any more: {page}");
}

#[test]
fn help_of_every_command() {
    let commands = [
        "",
        "serve",
        "demo",
        "run",
        "model",
        "ps",
        "predictions",
        "webhooks",
        "token",
        "backup",
        "restore",
        "export",
        "import",
        "storage",
        "migrate",
        "verify",
        "trigger",
        "completion",
    ];
    for command in commands {
        let mut help = cogwire();
        if !command.is_empty() {
            help.arg(command);
        }
        let output = help.arg("--help").output().expect("it runs");
        assert!(output.status.success(), "{command}");
        let name = if command.is_empty() { "help" } else { command };
        insta::assert_snapshot!(format!("help_{name}"), String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn what_cannot_start_says_why_in_one_sentence() {
    let dir = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = taken.local_addr().expect("bound").to_string();
    let script = dir.path().join("bad.toml");
    std::fs::write(&script, "[[model]]\nowner = \"a\"\nname = \"b\"\nouptut = \"value\"\n").expect("written");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("written");
    for (name, arguments) in [
        ("busy port", vec!["--listen", &busy]),
        ("wrong script", vec!["--scripts", script.to_str().expect("text")]),
        ("unusable folder", vec!["--data-dir", file.to_str().expect("text")]),
        ("missing certificate", vec!["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key"]),
    ] {
        let mut command = cogwire();
        command.arg("serve").current_dir(dir.path()).args(&arguments);
        if !arguments.contains(&"--data-dir") {
            command.arg("--data-dir").arg(dir.path().join("data"));
        }
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.lines().count() <= 3 && !said.contains("panicked"), "{name}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let _first = crate::harness::Process::start(dir.path()).await;
    let output = serve(dir.path()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another cogwire server"), "{said}");
}
