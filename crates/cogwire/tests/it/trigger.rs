//! `cogwire trigger`: one webhook to any URL, by a server that runs or by one that is started for it.

use std::process::{Command, Output};

use cogwire::server::Credentials;
use cogwire_core::webhook::signature::Secret;

use crate::harness::{Behaviour, Http, Process, Receiver, Webhook, cogwire, output};

/// The command, for a user of this server.
fn trigger(http: &Http, arguments: &[&str]) -> Command {
    let mut command = cogwire();
    command.arg("trigger").args(arguments);
    command.env("COGWIRE_URL", &http.base).env("COGWIRE_API_TOKEN", &http.token);
    command
}

/// The command, on a machine whose server does not run.
fn trigger_alone(dir: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let credentials = Credentials { url: format!("http://{gone}"), token: "r8_of_another_time".into() };
    credentials.save(dir.path()).expect("written");
    let mut command = cogwire();
    command.arg("trigger").args(arguments).arg("--data-dir").arg(dir.path());
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_can_be_sent_and_is_signed_by_the_server() {
    let (dir, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start().await);
    let server = Process::start(dir.path()).await;
    let events = ["start", "output", "logs", "completed"];
    for event in events {
        let said = output(trigger(&server.http, &[event, "--to", &receiver.url])).await;
        assert!(said.status.success(), "{event}: {}", stderr(&said));
        assert!(
            stdout(&said).contains("  1. ") && stdout(&said).contains("delivered [200]"),
            "{}",
            stdout(&said)
        );
    }
    let key = server.http.get("/v1/webhooks/default/secret").await.expect(200);
    let secret = Secret::parse(key["key"].as_str().expect("a key")).expect("a secret");
    let all = receiver.webhooks();
    all.iter().for_each(|hook| hook.assert_signed(&secret));
    let mut arrived: Vec<&str> = all.iter().map(Webhook::event).collect();
    arrived.dedup();
    assert_eq!(arrived, events);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_is_shown_until_one_succeeds() {
    let (dir, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start().await);
    let server = Process::start(dir.path()).await;
    receiver.then([Behaviour::Answer(503)]);
    let said = output(trigger(&server.http, &["completed", "--to", &receiver.url])).await;
    assert!(said.status.success(), "{}", stderr(&said));
    let lines = stdout(&said);
    let attempts: Vec<&str> = lines.lines().filter(|line| line.starts_with("  ")).collect();
    assert!(attempts.len() == 2 && attempts[0].contains("[503]") && attempts[1].contains("[200]"), "{lines}");
    assert!(stderr(&said).contains("waits for its next attempt"), "{}", stderr(&said));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_delivered_exits_with_1_and_says_why() {
    let (dir, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start().await);
    let server = Process::start(dir.path()).await;
    receiver.always(Behaviour::Answer(500));
    let to = receiver.url.as_str();
    for (arguments, reason) in [
        (vec!["start", "--to", to], "[500]"),
        (vec!["start", "--to", to, "--json"], "\"state\": \"failed\""),
        (vec!["logs", "--to", to, "--model", "replicate/hello-world", "text=a"], "gave no logs event"),
        (vec!["completed", "--to", "http://10.0.0.5/hook"], "--webhook-allow 10.0.0.5"),
        (vec!["completed", "--to", to, "--model", "no/body"], "no/body"),
        (
            vec!["completed", "--to", to, "--url", "http://127.0.0.1:1"],
            "no server answers at http://127.0.0.1:1",
        ),
    ] {
        let said = output(trigger(&server.http, &arguments)).await;
        let text = format!("{}{}", stdout(&said), stderr(&said));
        assert_eq!(said.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains(reason), "{arguments:?}: {text}");
    }
    assert_eq!(output(trigger(&server.http, &["finished", "--to", to])).await.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_command_is_one_and_tells_its_secret() {
    let (dir, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start().await);
    let said = output(trigger_alone(&dir, &["completed", "--to", &receiver.url])).await;
    let told = stderr(&said);
    assert!(said.status.success(), "{told}");
    let key = told.split_whitespace().find(|word| word.starts_with("whsec_")).expect("the secret");
    receiver.wait_completed().await.assert_signed(&Secret::parse(key).expect("a secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_secret_of_the_receiver_can_be_given() {
    let (dir, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start().await);
    let secret = Secret::from_key(&[7; 32]).expect("long enough");
    let mut command = trigger_alone(&dir, &["completed", "--to", &receiver.url]);
    command.env("COGWIRE_WEBHOOK_SECRET", secret.expose());
    let said = output(command).await;
    assert!(said.status.success(), "{}", stderr(&said));
    assert!(!stderr(&said).contains("whsec_"), "{}", stderr(&said));
    receiver.wait_completed().await.assert_signed(&secret);
}
