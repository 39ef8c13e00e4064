//! What must be true when everything is well again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cogwire::lifecycle::SystemClock;
use cogwire_core::time::Clock;
use cogwire_core::webhook::signature::Secret;
use serde_json::Value;

use super::load::{Kind, Made};
use super::order::assert_order;
use super::{Cluster, Node};
use crate::harness::{Webhook, pause};

/// How long it may take until everything has ended, been told and been forgotten.
const SETTLING: Duration = Duration::from_secs(40);

/// What `acme/talk` says when nothing stops it.
const TALKED: &str = "1 2 3 4 5 6 ";

/// Whether runs may have been lost with their node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Losses {
    /// Every run has come to its own end.
    None,
    /// A run that had shown a sign of life may have failed as interrupted.
    Interrupted,
}

impl Cluster {
    /// Panics unless every prediction has ended as it must, every end was told once or several times in the same words, nothing
    /// is left over, and every node is well. `returns` are the moments at which paused senders went on.
    pub(super) async fn assert_nothing_lost(&self, made: &[Made], losses: Losses, returns: &[Duration]) {
        let deadline = SystemClock.monotonic() + SETTLING;
        self.wait_ready().await;
        let mut ended = HashMap::new();
        for prediction in made {
            let value = self.wait_end(prediction, deadline).await;
            assert_end(prediction, &value, losses);
            ended.insert(prediction.id.as_str(), value);
        }
        self.wait_empty(deadline).await;
        self.assert_told(&ended).await;
        assert_order(&self.receiver.webhooks(), returns);
        let succeeded = ended.values().filter(|value| value["status"] == "succeeded").count();
        assert!(succeeded * 2 >= made.len(), "{succeeded} of {} succeeded", made.len());
    }

    async fn wait_end(&self, prediction: &Made, deadline: Duration) -> Value {
        loop {
            let value = self.api[prediction.number % 2].prediction(&prediction.id).await;
            if value["completed_at"].is_string() {
                return value;
            }
            assert!(SystemClock.monotonic() < deadline, "it has not ended: {value}");
            pause().await;
        }
    }

    /// Waits until nothing runs, nothing is owed, and nodes that are gone are forgotten.
    async fn wait_empty(&self, deadline: Duration) {
        loop {
            let (live, lanes) = (self.database.rows("live").await, self.database.rows("lane").await);
            let nodes = self.database.rows("node").await;
            if live.is_empty() && lanes.is_empty() && nodes.len() == self.nodes().count() {
                return;
            }
            let left = [live, lanes, nodes].concat().join("\n");
            assert!(SystemClock.monotonic() < deadline, "something is left over:\n{left}");
            pause().await;
        }
    }

    /// Every end was told: with one id, in one wording, as the prediction really ended, signed.
    async fn assert_told(&self, ended: &HashMap<&str, Value>) {
        let secret = secret(&self.api[0]).await;
        let all = self.receiver.webhooks();
        let mut bodies: HashMap<&str, &[u8]> = HashMap::new();
        let mut told: HashMap<String, HashSet<&str>> = HashMap::new();
        for hook in &all {
            hook.assert_signed(&secret);
            assert_eq!(*bodies.entry(hook.id()).or_insert(&hook.body), &hook.body[..], "one id has one body");
            if hook.event() == "completed" {
                told.entry(assert_true(hook, ended)).or_default().insert(hook.id());
            }
        }
        for id in ended.keys() {
            assert_eq!(
                told.get(*id).map(HashSet::len),
                Some(1),
                "the ids under which the end of {id} was told"
            );
        }
    }
}

/// Compares what was told with what is so; gives the prediction.
fn assert_true(hook: &Webhook, ended: &HashMap<&str, Value>) -> String {
    let body = hook.json();
    let id = body["id"].as_str().expect("an id").to_owned();
    if let Some(value) = ended.get(id.as_str()) {
        assert_eq!((&body["status"], &body["output"]), (&value["status"], &value["output"]), "{id}");
    }
    id
}

fn assert_end(prediction: &Made, value: &Value, losses: Losses) {
    let error = value["error"].as_str().unwrap_or_default();
    if losses == Losses::Interrupted && value["status"] == "failed" && error.contains("interrupted") {
        return;
    }
    let (status, output) = match prediction.kind {
        Kind::Hello | Kind::Wait => ("succeeded", format!("hello {}", prediction.number)),
        Kind::Talk => ("succeeded", TALKED.to_owned()),
        Kind::Cancel => return assert_eq!(value["status"], "canceled", "{value}"),
    };
    assert_eq!((&value["status"], text(&value["output"])), (&status.into(), output), "{value}");
    if prediction.told["completed_at"].is_string() {
        assert_eq!(prediction.told["output"], value["output"], "the caller was told the truth");
    }
}

/// A text, or the pieces of one.
fn text(output: &Value) -> String {
    match output {
        Value::Array(pieces) => pieces.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

async fn secret(api: &Node) -> Secret {
    let reply = api.http.get("/v1/webhooks/default/secret").await.expect(200);
    Secret::parse(reply["key"].as_str().expect("a key")).expect("a secret")
}
