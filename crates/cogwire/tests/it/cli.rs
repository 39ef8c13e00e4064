//! The command line against a real server: what is printed where, and how it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::harness::{Behaviour, CHAOS, Options, Process, Receiver, TOKEN, TestApp, cogwire};

/// A server and a shell beside it.
struct Shell {
    dir: tempfile::TempDir,
    server: Process,
}

impl Shell {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let server = Process::start(dir.path()).await;
        Self { dir, server }
    }

    /// Runs a command as a user of this server, beside the runtime that the receiver needs.
    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = cogwire();
        command.args(arguments).current_dir(self.dir.path());
        command.env("COGWIRE_URL", &self.server.http.base).env("COGWIRE_API_TOKEN", &self.server.http.token);
        beside(move || command.output().expect("it runs")).await
    }

    /// What a command that succeeds prints.
    async fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("text")
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let said = self.says(arguments).await;
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn run_prints_the_output_and_nothing_else() {
    let shell = Shell::start().await;
    assert_eq!(shell.says(&["run", "replicate/hello-world", "text=Alice"]).await, "hello Alice\n");
    let streamed = shell.says(&["run", "replicate/canary", "text=Bob", "--stream"]).await;
    assert_eq!(streamed.trim_end(), "hello there, Bob");
    let whole = shell.json(&["run", "replicate/hello-world", "text=Eve", "--json"]).await;
    assert_eq!((&whole["status"], &whole["output"]), (&"succeeded".into(), &"hello Eve".into()));
    shell.says(&["run", "replicate/hello-world", "text=file", "-o", "out.txt"]).await;
    let written = std::fs::read_to_string(shell.path().join("out.txt")).expect("the file is there");
    assert_eq!(written.trim_end(), "hello file");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_says_once_what_the_prediction_waits_for() {
    let app = TestApp::with(Options { max_running: 1, ..Options::default() }).await;
    for (arguments, output) in [
        (vec!["run", "replicate/hello-world", "text=Alice"], "hello Alice"),
        (vec!["run", "replicate/canary", "text=Bob", "--stream"], "hello there, Bob"),
    ] {
        let before = app.create(json!({"version": CHAOS, "input": {"outcome": "hang"}})).await;
        let mut command = cogwire();
        command.args(arguments).env("COGWIRE_URL", app.http().base).env("COGWIRE_API_TOKEN", TOKEN);
        let (first, running) = beside(move || Running::until_first_line(command)).await;
        assert_eq!(first, "Next to run when an instance is free.\n");
        app.cancel(&before).await;
        assert_eq!(beside(|| running.until_end()).await, (format!("{output}\n"), String::new()));
    }
}

/// A command that is on its way.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    /// Starts it, and reads the first line that it says.
    fn until_first_line(mut command: Command) -> (String, Self) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("text");
        (line, Self { child, stderr })
    }

    /// What it prints in all, and what else it says.
    fn until_end(mut self) -> (String, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("text");
        let output = self.child.wait_with_output().expect("it ends");
        (String::from_utf8(output.stdout).expect("text"), rest)
    }
}

/// Does what blocks beside the runtime that the server needs.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_says_why_and_exits_with_1() {
    let shell = Shell::start().await;
    for (arguments, reason) in [
        (vec!["run", "zeke/chaos-monkey", "outcome=failure"], "chaos monkey failed"),
        (vec!["run", "replicate/hello-world"], "text is required"),
        (vec!["run", "no/body"], "no/body"),
        (vec!["run", "replicate/hello-world", "text=a", "-o", "missing/out.txt"], "cannot write"),
        (vec!["predictions", "show", "gm3qorzdhgbfurvjtvhg6dckhu"], "could not be found"),
        (vec!["webhooks", "show", "msg_1"], "there is no message msg_1"),
        (vec!["webhooks", "ls", "--prediction", "nobody"], "there is no prediction nobody"),
    ] {
        let output = shell.run(&arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(reason), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(shell.run(&["run"]).await.status.code(), Some(2), "wrong usage");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_listed_shown_explained_and_sent_again() {
    let (shell, receiver) = (Shell::start().await, Receiver::start().await);
    receiver.then([Behaviour::Answer(200)]);
    let url = receiver.url.clone();
    shell
        .says(&["run", "replicate/hello-world", "text=a", "--webhook", &url, "--webhook-events", "completed"])
        .await;
    let first = receiver.wait_completed().await;
    let id = first.id().to_owned();
    let shown = wait_until_delivered(&shell, &id).await;
    assert_eq!(shown["log"][0]["status"], 200);
    the_attempt_is_shown(&shell, &id, &shown["log"][0]).await;
    let prediction = first.json()["id"].as_str().expect("an id").to_owned();
    let listed = shell.says(&["webhooks", "ls", "--prediction", &prediction]).await;
    assert!(listed.contains(&id), "{listed}");
    shell.says(&["webhooks", "resend", &id]).await;
    let again = receiver.wait_for(2).await;
    assert_eq!((again[1].id(), &again[1].body), (id.as_str(), &first.body));
}

/// What went over the wire is shown to programs always, and to people who ask for it.
async fn the_attempt_is_shown(shell: &Shell, id: &str, attempt: &Value) {
    assert_eq!(attempt["request"]["headers"]["webhook-id"], id);
    assert!(
        attempt["response"]["headers"].is_object() && attempt["response"]["truncated"] == false,
        "{attempt}"
    );
    assert!(attempt["timings"]["connect_ms"].is_f64() && attempt["timings"]["tls_ms"].is_null(), "{attempt}");
    let peer = attempt["peer"].as_str().expect("it was connected to");
    let (brief, all) =
        (shell.says(&["webhooks", "show", id]).await, shell.says(&["webhooks", "show", id, "-v"]).await);
    let header = format!("> webhook-id: {id}");
    assert!(brief.contains(&format!("{peer}: connect ")) && !brief.contains(&header), "{brief}");
    assert!(all.contains(&header) && all.contains("< "), "{all}");
}

async fn wait_until_delivered(shell: &Shell, id: &str) -> Value {
    for _ in 0..200 {
        let shown = shell.json(&["webhooks", "show", id, "--json"]).await;
        if shown["state"] == "delivered" {
            return shown;
        }
    }
    panic!("{id} was not delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_tells_a_good_request_from_a_changed_one_and_why() {
    let (shell, receiver) = (Shell::start().await, Receiver::start().await);
    let url = receiver.url.clone();
    shell
        .says(&["run", "replicate/hello-world", "text=a", "--webhook", &url, "--webhook-events", "completed"])
        .await;
    let hook = receiver.wait_completed().await;
    let request = |body: &[u8]| {
        let head: String = ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .iter()
            .map(|name| format!("{name}: {}\n", hook.header(name)))
            .collect();
        let text = [head.as_bytes(), b"\n", body].concat();
        std::fs::write(shell.path().join("request.http"), text).expect("written");
    };
    request(&hook.body);
    assert!(shell.run(&["verify", "--request", "request.http"]).await.status.success());
    let spaced = serde_json::to_vec_pretty(&hook.json()).expect("JSON");
    request(&spaced);
    let output = shell.run(&["verify", "--request", "request.http"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = format!("{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("JSON.stringify"), "it names what was done to the body: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_used_and_revoked_beside_the_running_server() {
    let shell = Shell::start().await;
    let dir = shell.path().to_str().expect("text").to_owned();
    let made = shell.says(&["token", "create", "--name", "ci", "--data-dir", &dir]).await;
    let token = made.split_whitespace().find(|word| word.starts_with("r8_")).expect("a token").to_owned();
    assert_eq!(token.len(), 40);
    let account = |token: String| {
        let request = shell.server.http.request(reqwest::Method::GET, "/v1/account").bearer_auth(token);
        async move { request.send().await.expect("an answer").status().as_u16() }
    };
    assert_eq!(account(token.clone()).await, 200);
    assert!(shell.says(&["token", "ls", "--data-dir", &dir]).await.contains("ci"));
    shell.says(&["token", "revoke", &token[..8], "--data-dir", &dir]).await;
    for _ in 0..500 {
        if account(token.clone()).await == 401 {
            return;
        }
        crate::harness::pause().await;
    }
    panic!("the revoked token still works");
}

#[test]
fn the_demo_shows_every_webhook_and_ends_with_success() {
    let output = cogwire().arg("demo").output().expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("signature verified").count(), 10, "{said}");
}

#[test]
fn the_default_configuration_is_what_it_was() {
    let output = cogwire().args(["config", "default"]).output().expect("it runs");
    insta::assert_snapshot!("default_configuration", String::from_utf8_lossy(&output.stdout));
}
