//! A server in this process, on a clock that the test can move, with a receiver beside it.

use std::path::Path;
use std::time::Duration;

use cogwire::config::{Roles, Traces};
use cogwire_core::time::{Clock, Timestamp};
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::webhook::signature::Secret;
use cogwire_core::webhook::vault::Vault;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::clock::ShiftedClock;
use super::http::{Http, Reply};
use super::receiver::Receiver;
use super::server::Server;
use super::store::TestStore;
use super::{HELLO, STORY};

/// How a test's server differs from the usual one.
pub(crate) struct Options {
    pub(crate) max_running: usize,
    /// How long a prediction may run.
    pub(crate) run_timeout: Duration,
    pub(crate) output_files: String,
    /// Scripts beside the story.
    pub(crate) scripts: Option<String>,
    /// Files that the scripts name.
    pub(crate) script_files: Vec<(String, Vec<u8>)>,
    pub(crate) roles: Roles,
    pub(crate) public_url: Option<String>,
    /// Whether the clock follows the database's.
    pub(crate) corrected: bool,
    /// What is wanted of webhooks whose create does not say.
    pub(crate) webhook_options: WebhookOptions,
    /// The secret that the configuration gives.
    pub(crate) webhook_secret: Option<Secret>,
    pub(crate) vault: Vault,
    pub(crate) traces: Option<Traces>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_running: 100,
            run_timeout: Duration::from_secs(30 * 60),
            output_files: "url".to_owned(),
            scripts: None,
            script_files: Vec::new(),
            roles: Roles::ALL,
            public_url: None,
            corrected: false,
            webhook_options: WebhookOptions::default(),
            webhook_secret: None,
            vault: Vault::default(),
            traces: None,
        }
    }
}

/// A server and a receiver.
pub(crate) struct TestApp {
    pub(crate) receiver: Receiver,
    clock: ShiftedClock,
    options: Options,
    server: Option<Server>,
    /// After the server, which uses both.
    dir: TempDir,
    store: TestStore,
}

/// A server that shares the store of a [`TestApp`].
pub(crate) struct Beside {
    pub(crate) server: Server,
    _dir: TempDir,
}

impl Drop for TestApp {
    /// A schema cannot go while a server writes to it.
    fn drop(&mut self) {
        if let (TestStore::Postgres(_), Some(server)) = (&self.store, self.server.take()) {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(server.stop()));
        }
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self::on(TestStore::new().await, options).await
    }

    pub(crate) async fn on(store: TestStore, options: Options) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        write_scripts(dir.path(), &options);
        let (receiver, clock) = (Receiver::start().await, ShiftedClock::new());
        let server = Server::start(dir.path(), &options, &clock, &store).await;
        Self { receiver, clock, options, server: Some(server), dir, store }
    }

    /// Stops the server at once, as a crash does, and starts another on the same data.
    pub(crate) async fn restart(&mut self) {
        self.server.take().expect("it runs").stop().await;
        let next = Server::start(self.dir.path(), &self.options, &self.clock, &self.store).await;
        self.server = Some(next);
    }

    /// Another server on the same store.
    pub(crate) async fn beside(&self, roles: Roles) -> Beside {
        let dir = tempfile::tempdir().expect("a folder");
        let (public_url, traces) = (Some(self.http().base), self.options.traces.clone());
        let options = Options { roles, public_url, traces, ..Options::default() };
        write_scripts(dir.path(), &options);
        Beside { server: Server::start(dir.path(), &options, &self.clock, &self.store).await, _dir: dir }
    }

    pub(crate) fn store(&self) -> &TestStore {
        &self.store
    }

    pub(crate) fn http(&self) -> Http {
        self.server.as_ref().expect("it runs").http.clone()
    }

    pub(crate) fn clock(&self) -> ShiftedClock {
        self.clock.clone()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// The server's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn secret(&self) -> Secret {
        let reply = self.http().get("/v1/webhooks/default/secret").await.expect(200);
        Secret::parse(reply["key"].as_str().expect("a key")).expect("a secret")
    }

    /// Creates a prediction and gives the answer.
    pub(crate) async fn create(&self, body: Value) -> Value {
        self.http().post("/v1/predictions", &body).await.expect(201)
    }

    pub(crate) async fn cancel(&self, prediction: &Value) -> Reply {
        self.http().post(prediction["urls"]["cancel"].as_str().expect("a URL"), &json!({})).await
    }

    pub(crate) async fn get_prediction(&self, prediction: &Value) -> Value {
        self.http().get(&format!("/v1/predictions/{}", id(prediction))).await.expect(200)
    }

    pub(crate) async fn wait_ended(&self, prediction: &Value) -> Value {
        let over =
            |now: &Value| !["starting", "processing"].contains(&now["status"].as_str().unwrap_or_default());
        self.poll(prediction, "its end", over).await
    }

    pub(crate) async fn wait_for_status(&self, prediction: &Value, status: &str) -> Value {
        self.wait_until(prediction, "status", &json!(status)).await
    }

    pub(crate) async fn wait_until(&self, prediction: &Value, field: &str, value: &Value) -> Value {
        self.poll(prediction, &format!("{field} = {value}"), |now| now[field] == *value).await
    }

    /// Lets minutes pass until the data of a prediction is removed: a sweep comes every minute.
    pub(crate) async fn wait_removed(&self, prediction: &Value) -> Value {
        let removed = |now: &Value| {
            self.advance(Duration::from_secs(61));
            now["data_removed"] == true
        };
        self.poll(prediction, "the removal of its data", removed).await
    }

    pub(crate) async fn wait_for_status_of_newest(&self, status: &str) {
        self.http().wait_for_status_of_newest(status).await;
    }

    pub(crate) async fn deliveries(&self, prediction: &Value) -> Vec<Value> {
        let reply =
            self.http().get(&format!("/v1/predictions/{}/deliveries", id(prediction))).await.expect(200);
        reply["results"].as_array().expect("a list").clone()
    }

    /// Waits until the last message of a prediction stands so.
    pub(crate) async fn wait_delivery_state(&self, prediction: &Value, state: &str) -> Value {
        self.poll_deliveries(prediction, state, |all| all.last().is_some_and(|last| last["state"] == state))
            .await
            .pop()
            .expect("it was just there")
    }

    pub(crate) async fn wait_for_attempts(&self, prediction: &Value, attempts: usize) {
        let enough =
            |all: &[Value]| all.last().is_some_and(|last| last["attempts"].as_u64() >= Some(attempts as u64));
        self.poll_deliveries(prediction, &format!("{attempts} attempts"), enough).await;
    }

    /// Lets time pass until the last message of each prediction is given up, and gives these messages.
    pub(crate) async fn wait_given_up(&self, predictions: &[Value]) -> Vec<Value> {
        for attempts in 1..=ATTEMPTS {
            for prediction in predictions {
                self.wait_for_attempts(prediction, attempts).await;
            }
            self.advance(Duration::from_secs(40));
        }
        let mut given_up = Vec::new();
        for prediction in predictions {
            given_up.push(self.wait_delivery_state(prediction, "exhausted").await);
        }
        given_up
    }

    /// Waits until a message that was given up is delivered all the same, and gives it with its attempts.
    pub(crate) async fn wait_resent(&self, delivery: &Value) -> Value {
        let prediction = json!({"id": delivery["prediction"]});
        self.wait_delivery_state(&prediction, "delivered").await;
        self.http().get(&format!("/v1/deliveries/{}", id(delivery))).await.expect(200)
    }

    /// Lets minutes pass until the messages of a prediction are deleted.
    pub(crate) async fn wait_no_deliveries(&self, prediction: &Value) {
        let none = |all: &[Value]| {
            self.advance(Duration::from_secs(61));
            all.is_empty()
        };
        self.poll_deliveries(prediction, "no deliveries", none).await;
    }

    /// How many files the server keeps.
    pub(crate) fn stored_files(&self) -> usize {
        let all = std::fs::read_dir(self.dir.path().join("data/files")).expect("the folder of files");
        all.filter(|file| {
            std::fs::read_dir(file.as_ref().expect("an entry").path()).is_ok_and(|mut f| f.next().is_some())
        })
        .count()
    }

    /// Waits until nothing runs and nothing is owed to a receiver.
    pub(crate) async fn settle(&self) {
        self.server.as_ref().expect("it runs").settle().await;
    }

    /// The body of a create whose webhooks come here.
    pub(crate) fn with_webhook(&self, mut body: Value) -> Value {
        body["webhook"] = json!(self.receiver.url);
        body
    }

    /// A prediction that streams for about 1.5 s and sends these events.
    pub(crate) fn story<const N: usize>(&self, events: [&str; N]) -> Value {
        let body = json!({"version": "acme/story", "input": {}});
        if N == 0 {
            return body;
        }
        let mut body = self.with_webhook(body);
        body["webhook_events_filter"] = json!(events.as_slice());
        body
    }

    /// A streaming prediction that never ends by itself.
    pub(crate) fn endless_story(&self) -> Value {
        json!({"version": "acme/story", "input": {"endless": true}})
    }

    async fn poll(&self, prediction: &Value, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..POLLS {
            last = self.get_prediction(prediction).await;
            if done(&last) {
                return last;
            }
            pause().await;
        }
        panic!("waited for {what}: {last}");
    }

    async fn poll_deliveries(
        &self,
        prediction: &Value,
        what: &str,
        done: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let mut last = Vec::new();
        for _ in 0..POLLS {
            last = self.deliveries(prediction).await;
            if done(&last) {
                return last;
            }
            pause().await;
        }
        panic!("waited for {what}: {last:#?}");
    }
}

/// How often a message is sent before it is given up.
const ATTEMPTS: usize = 7;

/// How often a condition is looked at before a test gives up, 10 ms apart.
const POLLS: usize = 2000;

/// The pause between two looks at a condition that nobody announces.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

impl Http {
    pub(crate) async fn wait_for_status_of_newest(&self, status: &str) {
        for _ in 0..POLLS {
            let list = self.get("/v1/predictions").await.expect(200);
            if list["results"][0]["status"] == status {
                return;
            }
            pause().await;
        }
        panic!("no prediction became {status}");
    }

    pub(crate) async fn wait_ready(&self) {
        for _ in 0..POLLS {
            if self
                .request(reqwest::Method::GET, "/readyz")
                .send()
                .await
                .is_ok_and(|reply| reply.status() == 200)
            {
                return;
            }
            pause().await;
        }
        panic!("the server did not become ready");
    }
}

/// The body of a create of `replicate/hello-world`.
pub(crate) fn hello(text: &str) -> Value {
    json!({"version": HELLO, "input": {"text": text}})
}

fn id(prediction: &Value) -> &str {
    prediction["id"].as_str().expect("an id")
}

fn write_scripts(dir: &Path, options: &Options) {
    for (name, bytes) in &options.script_files {
        std::fs::write(dir.join(name), bytes).expect("written");
    }
    let text = format!("{}\n{}", story_script(), options.scripts.as_deref().unwrap_or_default());
    std::fs::write(dir.join("scripts.toml"), text).expect("written");
}

fn story_script() -> String {
    let mut text = "[[model]]\nowner = \"acme\"\nname = \"story\"\noutput = \"concatenate\"\n".to_owned();
    text += "[model.input.endless]\ntype = \"boolean\"\ndefault = false\n";
    for piece in STORY {
        text += &format!("[[model.step]]\nwait_ms = 250\nlog = \"said a piece\\n\"\noutput = {piece:?}\n");
    }
    text + "[[model.step]]\nwhen = \"{{ input.endless }}\"\nhang = true\n"
}
