//! `kill -9` at every step of an attempt's life: what the store does not know is sent again, with the same id and body and in
//! its order, and what it knows is not.

use std::collections::HashMap;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::order::assert_order;
use crate::harness::{Behaviour, HELLO, Process, Receiver, TestStore, Webhook, pause};

/// The steps, and how often each is passed unharmed before the server dies there.
const STEPS: [(&str, u32); 6] = [
    ("lanes.claimed", 1),
    ("intermediate.begun", 6),
    ("attempt.begun", 9),
    ("attempt.connected", 3),
    ("attempt.answered", 9),
    ("attempt.recorded", 3),
];

/// More predictions than a receiver is sent requests at once.
const MANY: usize = 30;
/// Fewer than that.
const FEW: usize = 6;

/// A place for servers that die, one after the other.
struct Scene {
    dir: TempDir,
    store: TestStore,
    receiver: Receiver,
}

impl Scene {
    async fn set() -> Self {
        let (dir, store) = (tempfile::tempdir().expect("a folder"), TestStore::new().await);
        Self { dir, store, receiver: Receiver::start().await }
    }

    async fn start(&self, failpoint: Option<&str>) -> Process {
        Process::start_on(self.dir.path(), &self.store, failpoint).await
    }

    /// Creates predictions, of which some may not be answered any more; gives the ids of the others.
    async fn create(&self, server: &Process, count: usize, events: &[&str]) -> Vec<String> {
        let body = json!({
            "version": HELLO, "input": {"text": "you"}, "webhook": self.receiver.url, "webhook_events_filter": events,
        });
        let mut ids = Vec::new();
        for _ in 0..count {
            let request = server.http.request(reqwest::Method::POST, "/v1/predictions");
            let sent = request.bearer_auth(&server.http.token).json(&body).send().await;
            let Ok(answer) = sent else { break };
            let Ok(prediction) = answer.json::<Value>().await else { break };
            ids.push(prediction["id"].as_str().expect("an id").to_owned());
        }
        ids
    }

    /// Panics unless every end was told, as often as the store knows of it, and everything in its order.
    async fn assert_told(&self, server: &Process, ids: &[String]) {
        for id in ids {
            let last = delivered(server, id).await;
            let requests = self.requests(last["id"].as_str().expect("an id"));
            assert_recorded_once(&last, &requests);
            assert!(requests.iter().all(|request| request.body == requests[0].body), "one id has one body");
        }
        assert_order(&self.receiver.webhooks(), &[]);
    }

    fn requests(&self, message: &str) -> Vec<Webhook> {
        self.receiver.webhooks().into_iter().filter(|hook| hook.id() == message).collect()
    }

    /// How many messages the receiver got more than once.
    fn repeated(&self) -> usize {
        let mut times: HashMap<String, usize> = HashMap::new();
        self.receiver.webhooks().iter().for_each(|hook| *times.entry(hook.id().to_owned()).or_default() += 1);
        times.values().filter(|times| **times > 1).count()
    }
}

/// The final message of a prediction with its attempts, once it is delivered.
async fn delivered(server: &Process, prediction: &str) -> Value {
    let mut all = Value::Null;
    for _ in 0..3000 {
        all = server.http.get(&format!("/v1/predictions/{prediction}/deliveries")).await.expect(200);
        let results = all["results"].as_array().expect("a list");
        let last = results.iter().find(|one| one["event"] == "completed");
        if let Some(last) = last.filter(|last| last["state"] == "delivered") {
            let id = last["id"].as_str().expect("an id");
            return server.http.get(&format!("/v1/deliveries/{id}")).await.expect(200);
        }
        pause().await;
    }
    panic!("the end of {prediction} was not delivered: {all:#}");
}

/// Nothing is sent after the attempt that is recorded as a success, and no other one is.
fn assert_recorded_once(message: &Value, requests: &[Webhook]) {
    let log = message["log"].as_array().expect("attempts");
    let successes = log.iter().filter(|attempt| attempt["class"] == "delivered").count();
    let last = log.last().expect("an attempt");
    assert_eq!((successes, &last["class"]), (1, &json!("delivered")), "{message:#}");
    let sent_last = requests.last().expect("the receiver has it").header("cogwire-attempt");
    assert_eq!(last["number"].to_string(), sent_last, "{message:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_at_any_step_of_an_attempt_loses_nothing_and_repeats_nothing_that_is_known() {
    for (step, passes) in STEPS {
        let scene = Scene::set().await;
        // Some ends are refused, so that retries are claimed.
        scene.receiver.then((0..MANY).map(|n| Behaviour::Answer(if n % 3 == 0 { 500 } else { 200 })));
        let mut server = scene.start(Some(&format!("{step}:{passes}"))).await;
        let ids = scene.create(&server, MANY, &["start", "completed"]).await;
        assert!(!server.ended().await.success(), "it dies at {step}");
        let server = scene.start(None).await;
        scene.assert_told(&server, &ids).await;
        if step == "attempt.answered" {
            assert!(scene.repeated() > 0, "an answer that nobody recorded is asked for again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_and_not_answered_is_sent_again_if_it_is_the_end() {
    let scene = Scene::set().await;
    let mut server = scene.start(None).await;
    scene.receiver.always(Behaviour::Hang);
    let mut ids = scene.create(&server, FEW, &["completed"]).await;
    ids.extend(scene.create(&server, FEW, &["start", "completed"]).await);
    let hanging = |all: &[Webhook], event: &str| all.iter().any(|hook| hook.event() == event);
    let both = |all: &[Webhook]| hanging(all, "start") && hanging(all, "completed");
    scene.receiver.wait_until("requests of both kinds", both).await;
    server.kill();
    let unanswered = scene.receiver.webhooks();
    scene.receiver.always(Behaviour::Answer(200));
    let server = scene.start(None).await;
    scene.assert_told(&server, &ids).await;
    for hook in unanswered {
        let is_repeated = scene.requests(hook.id()).len() > 1;
        assert_eq!(is_repeated, hook.event() == "completed", "{} {}", hook.event(), hook.id());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_while_what_waits_is_given_back_loses_nothing() {
    let scene = Scene::set().await;
    let mut server = scene.start(Some("lanes.released")).await;
    scene.receiver.always(Behaviour::Hang);
    let ids = scene.create(&server, MANY, &["completed"]).await;
    scene.receiver.wait_for(16).await;
    server.terminate();
    assert!(!server.ended().await.success(), "it dies when lanes have been given back");
    scene.receiver.always(Behaviour::Answer(200));
    let server = scene.start(None).await;
    scene.assert_told(&server, &ids).await;
}
