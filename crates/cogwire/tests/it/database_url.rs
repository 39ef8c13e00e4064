//! `--database-url` on the command line.

use std::process::Output;

use cogwire::config::Database;
use secrecy::ExposeSecret;

use crate::harness::{Options, TestApp, TestStore, cogwire};

async fn run(arguments: &[&str]) -> Output {
    let mut command = cogwire();
    command.args(arguments);
    let run = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
    run.await.expect("no panic")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_and_revoked_beside_the_servers() {
    let app = TestApp::on(TestStore::postgres().await, Options::default()).await;
    let Database { url, .. } = app.store().database().expect("it is PostgreSQL");
    let says = async |arguments: &[&str]| {
        let output = run(&[arguments, &["--database-url", url.expose_secret()]].concat()).await;
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    let token = says(&["token", "create", "--name", "ci"]).await.trim().to_owned();
    let status = async || {
        let request = app.http().request(reqwest::Method::GET, "/v1/account").bearer_auth(&token);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(status().await, 200);
    assert!(says(&["token", "ls"]).await.contains("ci"));
    says(&["token", "revoke", &token]).await;
    app.advance(std::time::Duration::from_secs(60));
    assert_eq!(status().await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_read_from_the_database_without_a_token() {
    let app = TestApp::on(TestStore::postgres().await, Options::default()).await;
    let Database { url, .. } = app.store().database().expect("it is PostgreSQL");
    let output = run(&["webhooks", "secret", "--database-url", url.expose_secret()]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), app.secret().await.expose());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_used_is_one_sentence_that_names_the_setting() {
    let dir = tempfile::tempdir().expect("a folder");
    let data_dir = dir.path().to_str().expect("text");
    for (url, what) in [
        ("postgres://me:hidden@127.0.0.1:1/x?sslmode=disable", "127.0.0.1:1"),
        ("postgres://me:hidden@localhost/x?sslmode=prefer", "sslmode"),
        ("mysql://me:hidden@localhost/x", "postgres://USER:PASSWORD@HOST/DATABASE"),
        ("", "postgres://USER:PASSWORD@HOST/DATABASE"),
    ] {
        for command in [&["serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir][..], &["token", "ls"]] {
            let output = run(&[command, &["--database-url", url]].concat()).await;
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{url}: {said}");
            assert_eq!((said.lines().count(), said.matches("--database-url").count()), (1, 1), "{said}");
            assert!(said.contains(what) && !said.contains("hidden"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_means_nothing_is_refused() {
    for arguments in [&["serve"][..], &["config", "print"], &["token", "ls"]] {
        let mut command = cogwire();
        command.args(arguments).env("COGWIRE_DATABSE_URL", "postgres://localhost/x");
        let output = command.output().expect("it runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("(did you mean COGWIRE_DATABASE_URL?)"), "{said}");
    }
}
