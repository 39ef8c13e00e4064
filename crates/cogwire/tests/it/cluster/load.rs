//! Callers who do not give up: whatever they were told exists is counted once, and certainly.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Cluster, TALK};
use crate::harness::{HELLO, Http, Reply, try_send};

/// The most predictions of a test.
const MOST: usize = 300;

/// How many create at once.
const CALLERS: usize = 4;

/// A caller's pause after each create.
const PAUSE: Duration = Duration::from_millis(60);

/// How often a call is repeated before the test gives up, with [`PAUSE`] in between.
const TRIES: usize = 500;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a caller asks for, all of it with webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `replicate/hello-world`.
    Hello,
    /// The same, and waits for the answer.
    Wait,
    /// A stream of text with a log, for about 300 ms.
    Talk,
    /// A stream that never ends, which is canceled through the other node.
    Cancel,
}

/// A prediction that exists.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Which one it was.
    pub(super) number: usize,
    /// What its caller was told in the end.
    pub(super) told: Value,
}

/// Creates through both nodes that answer.
pub(super) struct Load {
    api: [Http; 2],
    hook: String,
    next: AtomicUsize,
    stop: CancellationToken,
}

impl Load {
    pub(super) fn on(cluster: &Cluster) -> Self {
        Self {
            api: [cluster.api[0].http.clone(), cluster.api[1].http.clone()],
            hook: cluster.receiver.url.clone(),
            next: AtomicUsize::new(0),
            stop: CancellationToken::new(),
        }
    }

    /// Creates while `faults` happen, and gives everything that was created.
    pub(super) async fn during(&self, faults: impl Future<Output = ()>) -> Vec<Made> {
        let faults = async {
            faults.await;
            self.stop.cancel();
        };
        let (made, ()) = tokio::join!(join_all((0..CALLERS).map(|_| self.call())), faults);
        made.into_iter().flatten().collect()
    }

    async fn call(&self) -> Vec<Made> {
        let mut made = Vec::new();
        while !self.stop.is_cancelled() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= MOST {
                break;
            }
            made.push(self.make(number).await);
            tokio::time::sleep(PAUSE).await;
        }
        made
    }

    async fn make(&self, number: usize) -> Made {
        let kind = [Kind::Hello, Kind::Talk, Kind::Wait, Kind::Talk, Kind::Cancel][number % 5];
        let mut headers = vec![("idempotency-key", number.to_string())];
        if kind == Kind::Wait {
            headers.push(("prefer", "wait=15".to_owned()));
        }
        let body = self.body(kind, number);
        let reply = self.insist(number, "/v1/predictions", &body, &headers).await;
        assert!([200, 201, 202].contains(&reply.status), "{}: {}", reply.status, reply.text);
        let mut told = reply.json();
        let id = told["id"].as_str().expect("an id").to_owned();
        if kind == Kind::Cancel {
            let path = format!("/v1/predictions/{id}/cancel");
            told = self.insist(number + 1, &path, &json!({}), &[]).await.expect(200);
        }
        Made { id, kind, number, told }
    }

    fn body(&self, kind: Kind, number: usize) -> Value {
        let (version, input) = match kind {
            Kind::Hello | Kind::Wait => (HELLO, json!({"text": number.to_string()})),
            Kind::Talk => (TALK, json!({})),
            Kind::Cancel => (TALK, json!({"hang": true})),
        };
        let events = ["start", "output", "logs", "completed"];
        json!({"version": version, "input": input, "webhook": self.hook, "webhook_events_filter": events})
    }

    /// Asks the one node and the other until there is an answer that is not a failure of the servers.
    async fn insist(&self, first: usize, path: &str, body: &Value, headers: &[(&str, String)]) -> Reply {
        let mut last = String::new();
        for turn in 0..TRIES {
            let http = &self.api[(first + turn) % 2];
            let mut request = http.request(Method::POST, path).bearer_auth(&http.token).timeout(PATIENCE);
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            match try_send(request.json(body)).await {
                Ok(reply) if reply.status < 500 => return reply,
                Ok(reply) => last = format!("{} {}", reply.status, reply.text),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("nobody answers {path}: {last}");
    }
}
