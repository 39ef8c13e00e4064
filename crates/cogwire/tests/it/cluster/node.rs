//! One process of a cluster.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::database::Database;
use super::proxy::Proxy;
use crate::harness::{Http, Log, Process, TOKEN, pause, send, serve_at};

/// A place for a process: it keeps its name, its address and its way to the database over every start.
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) http: Http,
    pub(super) proxy: Proxy,
    pub(super) log: Log,
    address: String,
    dir: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(&'static str, PathBuf)>,
    process: Option<Process>,
}

impl Node {
    /// A place for a process with these arguments that listens on `port` and keeps what is its own in `dir`.
    pub(super) async fn new(
        name: &'static str,
        port: u16,
        dir: PathBuf,
        database: &Database,
        arguments: Vec<String>,
    ) -> Self {
        let address = format!("127.0.0.1:{port}");
        Self {
            name,
            http: Http::new(format!("http://{address}"), TOKEN.to_owned()),
            proxy: Proxy::start(database.socket()).await,
            log: Log::default(),
            address,
            dir,
            arguments,
            variables: Vec::new(),
            process: None,
        }
    }

    /// The same with these variables in its environment.
    pub(super) fn with_variables(self, variables: impl Into<Vec<(&'static str, PathBuf)>>) -> Self {
        Self { variables: variables.into(), ..self }
    }

    /// Starts a process, after the one before it, and waits until it is ready; panics when it ends instead.
    pub(super) async fn start(&mut self) {
        // The one before has let go of the address when it is gone.
        self.process = None;
        let process = Process::spawn(self.command(), self.http.clone(), self.log.clone());
        let process = self.process.insert(process);
        tokio::select! {
            () = self.http.wait_ready() => {}
            status = process.ended() => panic!("{} ended with {status}", self.name),
        }
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        self.process().kill();
    }

    /// SIGSTOP.
    pub(super) fn pause(&mut self) {
        self.process().pause();
    }

    /// SIGCONT.
    pub(super) fn resume(&mut self) {
        self.process().resume();
    }

    /// SIGTERM, and its end; panics unless that is a success.
    pub(super) async fn stop(&mut self) {
        self.process().terminate();
        let status = self.process().ended().await;
        assert!(status.success(), "{} ended with {status}", self.name);
    }

    /// Waits until it is not ready, and gives the reasons.
    pub(super) async fn wait_unready(&self) -> String {
        for _ in 0..1500 {
            let reply = send(self.http.request(reqwest::Method::GET, "/readyz")).await;
            if reply.status == 503 {
                return reply.json()["reasons"].to_string();
            }
            pause().await;
        }
        panic!("{} stayed ready", self.name);
    }

    /// Waits until its metric is at least this; panics after 20 s.
    pub(super) async fn wait_metric(&self, name: &str, least: f64) {
        for _ in 0..2000 {
            if self.metric(name).await >= least {
                return;
            }
            pause().await;
        }
        panic!("{name} of {} is {}", self.name, self.metric(name).await);
    }

    /// A figure among its metrics: the sum over all labels.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let text = self.http.get("/metrics").await.text;
        let lines = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// A prediction as this node shows it.
    pub(super) async fn prediction(&self, id: &str) -> Value {
        self.http.get(&format!("/v1/predictions/{id}")).await.expect(200)
    }

    /// Waits until a prediction stands so; panics with what it is after 30 s.
    pub(super) async fn wait_prediction(&self, id: &str, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..3000 {
            last = self.prediction(id).await;
            if done(&last) {
                return last;
            }
            pause().await;
        }
        panic!("waited for {what}: {last}");
    }

    pub(super) async fn wait_status(&self, id: &str, status: &str) -> Value {
        self.wait_prediction(id, status, |prediction| prediction["status"] == status).await
    }

    pub(super) async fn wait_end(&self, id: &str) -> Value {
        self.wait_prediction(id, "its end", |prediction| prediction["completed_at"].is_string()).await
    }

    pub(super) async fn cancel(&self, id: &str) -> Value {
        self.http.post(&format!("/v1/predictions/{id}/cancel"), &json!({})).await.expect(200)
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was started")
    }

    fn command(&self) -> Command {
        let mut command = serve_at(&self.address, &self.dir);
        command.args(&self.arguments).env("COGWIRE_DATABASE_URL", Database::url_through(self.proxy.port));
        command.envs(self.variables.iter().cloned());
        // Whoever looks for a fault asks for more than the usual log.
        if let Ok(filter) = std::env::var("RUST_LOG") {
            command.env("RUST_LOG", filter);
        }
        command
    }
}
