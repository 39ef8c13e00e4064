//! A real server with models, and what a test does with it.

use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output};

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::added::{Added, pack};
use super::folder::{Folder, share_environments, without_network};
use super::gate::Gate;
use crate::harness::{
    Http, Process, Receiver, Reply, TestStore, Webhook, cogwire, output, pause, send, serve,
};

/// The model of most tests.
pub(super) const ZOO: &str = "acme/zoo";

/// How often a condition is looked at before a test gives up, 10 ms apart.
const POLLS: usize = 3000;

/// A server, a receiver of its webhooks, and a folder for both. Dropping it kills the server.
pub(super) struct Site {
    server: Option<Process>,
    arguments: Vec<String>,
    pub(super) receiver: Receiver,
    store: TestStore,
    dir: TempDir,
}

impl Site {
    /// A server without models that is started with these arguments.
    pub(super) async fn start(arguments: &[&str]) -> Self {
        let mut site = Self::prepare(arguments).await;
        site.restart().await;
        site
    }

    /// A server with the model [`ZOO`].
    pub(super) async fn with_zoo(arguments: &[&str]) -> Self {
        let site = Self::start(arguments).await;
        site.add(&Folder::zoo(), ZOO).await.version();
        site
    }

    /// Everything but the server.
    pub(super) async fn prepare(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        share_environments(&dir.path().join("data"));
        Self {
            server: None,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            receiver: Receiver::start().await,
            store: TestStore::new().await,
            dir,
        }
    }

    /// Starts the server on the same data, after the one before it.
    pub(super) async fn restart(&mut self) {
        self.server = None;
        self.server = Some(Process::start_as(self.serve()).await);
    }

    /// The command that starts the server.
    pub(super) fn serve(&self) -> Command {
        let mut command = serve(&self.data_dir());
        command.args(&self.arguments).envs(without_network());
        self.store.configure(&mut command);
        command
    }

    /// Changes what the server is started with the next time.
    pub(super) fn reconfigure(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    }

    /// `kill -9` of the server.
    pub(super) fn kill(&mut self) {
        self.process().kill();
    }

    /// SIGTERM.
    pub(super) fn terminate(&mut self) {
        self.process().terminate();
    }

    /// Waits for the end of the server.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        self.process().ended().await
    }

    fn process(&mut self) -> &mut Process {
        self.server.as_mut().expect("it runs")
    }

    pub(super) fn http(&self) -> &Http {
        &self.server.as_ref().expect("it runs").http
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What is kept of packages: unpacked ones and stored ones.
    pub(super) fn packages(&self) -> Vec<PathBuf> {
        let data = self.data_dir();
        let folders = [data.join("models"), data.join("files/parts"), data.join("incoming")];
        let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    /// A text without the paths of this test.
    pub(super) fn without_places(&self, text: &str) -> String {
        let environments = concat!(env!("CARGO_TARGET_TMPDIR"), "/environments");
        let data = self.data_dir();
        text.replace(environments, "ENVIRONMENTS").replace(data.to_str().expect("text"), "DATA")
    }

    /// A file that models can wait for, and that is not there yet.
    pub(super) fn gate(&self, name: &str) -> Gate {
        Gate(self.dir.path().join(name))
    }

    /// Runs a command as a user of this server.
    pub(super) async fn shell(&self, arguments: &[&str]) -> Output {
        let mut command = cogwire();
        command.args(arguments).current_dir(self.dir.path());
        command.env("COGWIRE_URL", &self.http().base).env("COGWIRE_API_TOKEN", &self.http().token);
        output(command).await
    }

    /// Adds a folder over the API.
    pub(super) async fn add(&self, folder: &Folder, model: &str) -> Added {
        Added::read(&self.upload(pack(folder.path()), model).await)
    }

    /// Sends what may be a package.
    pub(super) async fn upload(&self, tar: Vec<u8>, model: &str) -> Reply {
        send(self.upload_request(tar, model)).await
    }

    /// The same until the head of the answer is there.
    pub(super) async fn begin_upload(&self, tar: Vec<u8>, model: &str) -> Response {
        self.upload_request(tar, model).send().await.expect("the server answers")
    }

    fn upload_request(&self, tar: Vec<u8>, model: &str) -> RequestBuilder {
        let request = self.request(Method::POST, &format!("/v1/models/{model}/versions"));
        request.header("content-type", "application/x-tar").body(tar)
    }

    pub(super) async fn remove_model(&self, model: &str) -> Reply {
        send(self.request(Method::DELETE, &format!("/v1/models/{model}"))).await
    }

    pub(super) async fn remove(&self, model: &str, version: &str) -> Reply {
        send(self.request(Method::DELETE, &format!("/v1/models/{model}/versions/{version}"))).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http().request(method, path).bearer_auth(&self.http().token)
    }

    /// Waits until somebody's model is there.
    pub(super) async fn wait_added(&self, model: &str) {
        let (owner, name) = model.split_once('/').expect("owner/name");
        let is_it = |found: &Value| found["owner"] == owner && found["name"] == name;
        let there = |list: &Value| list["results"].as_array().is_some_and(|all| all.iter().any(is_it));
        self.poll("/v1/models", model, there).await;
    }

    /// The id of a model's latest version.
    pub(super) async fn latest(&self, model: &str) -> String {
        let model = self.http().get(&format!("/v1/models/{model}")).await.expect(200);
        text(&model["latest_version"]["id"]).to_owned()
    }

    /// Creates a prediction of [`ZOO`] and gives the answer. Its end is told to the receiver.
    pub(super) async fn create(&self, input: Value) -> Value {
        self.create_with(ZOO, input).await
    }

    /// The same with any version.
    pub(super) async fn create_with(&self, version: &str, input: Value) -> Value {
        let body = json!({
            "version": version, "input": input, "webhook": self.receiver.url, "webhook_events_filter": ["completed"]
        });
        self.http().post("/v1/predictions", &body).await.expect(201)
    }

    /// Runs a prediction of [`ZOO`] to its end.
    pub(super) async fn run(&self, input: Value) -> Value {
        let created = self.create(input).await;
        self.end(&created).await
    }

    /// Waits for the end of a prediction or training.
    pub(super) async fn end(&self, created: &Value) -> Value {
        self.wait(created, "its end", |now| now["completed_at"].is_string()).await
    }

    /// Has the model of [`ZOO`] start processes that it does not wait for, and gives their numbers and its own.
    pub(super) async fn leave_processes(&self) -> Vec<u64> {
        let ended = self.run(json!({"act": "leaves_a_daemon"})).await;
        text(&ended["output"]).split(' ').map(|number| number.parse().expect("a number")).collect()
    }

    /// Waits until the model says something.
    pub(super) async fn begun(&self, created: &Value) -> Value {
        self.wait(created, "its first line", |now| !text(&now["logs"]).is_empty()).await
    }

    pub(super) async fn cancel(&self, created: &Value) -> Value {
        self.http().post(&format!("{}/cancel", path(created)), &json!({})).await.expect(200)
    }

    /// Waits until a prediction stands so; panics with what it is after 30 s.
    pub(super) async fn wait(&self, created: &Value, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        self.poll(&path(created), what, done).await
    }

    /// What a prediction waits for.
    pub(super) async fn progress(&self, created: &Value) -> Value {
        self.http().get(&format!("{}/progress", path(created))).await.expect(200)
    }

    /// Waits until a prediction waits so.
    pub(super) async fn wait_progress(
        &self,
        created: &Value,
        what: &str,
        done: impl Fn(&Value) -> bool,
    ) -> Value {
        self.poll(&format!("{}/progress", path(created)), what, done).await
    }

    /// Waits until the instances stand so, and gives them.
    pub(super) async fn wait_instances(&self, what: &str, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let list = |now: &Value| now["results"].as_array().expect("a list").clone();
        list(&self.poll("/v1/instances", what, |now| done(&list(now))).await)
    }

    /// The process of the only instance.
    pub(super) async fn only_process(&self) -> u64 {
        let all = self.wait_instances("one process", |all| all.len() == 1 && all[0]["pid"].is_u64()).await;
        all[0]["pid"].as_u64().expect("a number")
    }

    /// The process that waits for this gate in its setup.
    pub(super) async fn process_at(&self, gate: &Gate) -> u64 {
        let waits =
            |all: &[Value]| all.iter().any(|instance| instance["setup_logs"] == "waiting at the gate\n");
        self.wait_instances("one that waits at the gate", waits).await;
        let number = std::fs::read_to_string(format!("{}.waits", gate.path())).expect("written before");
        number.parse().expect("a number")
    }

    /// Waits for the webhook that tells the end of a prediction, and gives its body.
    pub(super) async fn told(&self, created: &Value) -> Value {
        let id = text(&created["id"]);
        let arrived = |all: &[Webhook]| all.iter().any(|hook| hook.json()["id"] == id);
        let all = self.receiver.wait_until(&format!("the end of {id}"), arrived).await;
        all.iter().map(Webhook::json).find(|body| body["id"] == id).expect("it was just there")
    }

    async fn poll(&self, path: &str, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..POLLS {
            last = self.http().get(path).await.expect(200);
            if done(&last) {
                return last;
            }
            pause().await;
        }
        panic!("waited for {what}: {last}");
    }
}

/// A text; panics with what it is otherwise.
#[track_caller]
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text"))
}

/// Where a prediction or training is on every server that has its data: each start listens on another port.
fn path(created: &Value) -> String {
    format!("/v1/predictions/{}", text(&created["id"]))
}
