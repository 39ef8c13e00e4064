//! A store, a delivery that runs on it, and predictions that are made to live.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::json::Json;
use cogwire_core::link::LinkKey;
use cogwire_core::prediction::{
    AccountId, ChunkEvent, Event, Kind, Prediction, Report, Request, RunEnd, Source,
};
use cogwire_core::time::{Clock, Entropy};
use cogwire_core::trace::NoSpans;
use cogwire_core::webhook::event::{EventSet, PayloadShape, Webhook, WebhookEvent};
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::webhook::signature::{self, Received, Secret};
use cogwire_core::webhook::vault::{StoredSecret, Vault};
use cogwire_core::wire::Links;
use cogwire_delivery::{
    Delivery, DeliveryConfig, Guard, HttpConfig, HttpSink, Parts, Policy, SystemResolver,
};
use cogwire_store::account::{Rotated, Rotation};
use cogwire_store::delivery::{Attempt, Delivery as Message, DeliveryState};
use cogwire_store::handoff::{self, Handoff};
use cogwire_store::node::{Node, TakeOver};
use cogwire_store::prediction::{Commit, CommitOutcome, Guard as CommitGuard, LaneEffect, NewPrediction};
use cogwire_store::{
    AccountStore, DeliveryStore, NodeEpoch, NodeLease, NodeStore, PredictionStore, SqliteOptions, SqliteStore,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::{Counter, TestClock};
use super::flaky::Flaky;
use super::receiver::Request as Arrived;

const ACCOUNT: &str = "me";
const LEASE: Duration = Duration::from_secs(3600);

/// A server without its HTTP side and its models.
pub(crate) struct World {
    pub(crate) clock: TestClock,
    pub(crate) store: Arc<SqliteStore>,
    /// The store as delivery sees it.
    pub(crate) flaky: Arc<Flaky>,
    pub(crate) secrets: Vec<Secret>,
    /// What webhooks ask for from now on.
    pub(crate) options: WebhookOptions,
    links: Links,
    entropy: Counter,
    node: NodeEpoch,
    running: Option<Running>,
    _dir: tempfile::TempDir,
}

struct Running {
    handoff: Handoff,
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
}

impl World {
    /// Everything, with delivery running.
    pub(crate) async fn start() -> Self {
        let mut world = Self::at_rest().await;
        world.run(DeliveryConfig::default(), Arc::new(NodeLease::endless())).await;
        world
    }

    /// Everything but delivery.
    pub(crate) async fn at_rest() -> Self {
        let (dir, clock) = (tempfile::tempdir().expect("a folder"), TestClock::new());
        let store = SqliteStore::open(dir.path(), SqliteOptions::new(clock.now())).expect("a store");
        let store = Arc::new(store);
        let world = Self {
            flaky: Arc::new(Flaky::new(store.clone())),
            store,
            secrets: vec![Secret::from_key(&[7; 32]).expect("long enough")],
            options: WebhookOptions::default(),
            links: Links::new("http://cogwire.test", LinkKey::new([1; 32])),
            entropy: Counter::default(),
            node: NodeEpoch("first".into()),
            running: None,
            clock,
            _dir: dir,
        };
        world.store.ensure_account(&account(), world.clock.now()).await.expect("writable");
        world.set_secret(&world.secrets[0]).await;
        world
    }

    /// From now on, this secret signs alone.
    pub(crate) async fn set_secret(&self, secret: &Secret) {
        let stored = StoredSecret::from(secret);
        self.store.set_secret(&account(), &stored, self.clock.now()).await.expect("writable");
    }

    /// From now on, this secret signs, and the one before it for a while.
    pub(crate) async fn rotate_secret(&self, fresh: &Secret, overlap: Duration) {
        let now = self.clock.now();
        let rotation = Rotation { fresh: StoredSecret::from(fresh), overlap_until: Some(now + overlap) };
        let rotated = self.store.rotate_secret(&account(), rotation, now).await.expect("writable");
        assert_eq!(rotated, Rotated::Done);
    }

    /// Begins a new epoch of the node, takes over what earlier ones held, and delivers.
    pub(crate) async fn run(&mut self, config: DeliveryConfig, lease: Arc<NodeLease>) {
        self.node = NodeEpoch(format!("node {}", self.entropy.bits()).into());
        let now = self.clock.now();
        let node = Node { epoch: self.node.clone(), roles: "deliver".to_owned(), versions: Vec::new() };
        self.store.register_node(&node, now + LEASE).await.expect("writable");
        let how = TakeOver { leases_ended_before: now, max_runs: 3, queue_deadline: now + LEASE, limit: 100 };
        self.store.take_over(&self.node, how).await.expect("writable");
        let (handoff, inbox) = handoff::channel(1024, lease.clone());
        let (soft, hard, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let delivery = Delivery::new(config, self.parts(lease));
        tasks.spawn(delivery.run(inbox, soft.clone(), hard.clone()));
        tasks.close();
        self.running = Some(Running { handoff, soft, hard, tasks });
    }

    fn parts(&self, lease: Arc<NodeLease>) -> Parts {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let guard = Guard::new(Policy { loopback_allowed: true, allow: Vec::new() });
        let sink = HttpSink::new(HttpConfig::default(), guard, Arc::new(SystemResolver), Arc::clone(&clock));
        Parts {
            deliveries: self.flaky.clone(),
            predictions: self.store.clone(),
            accounts: self.store.clone(),
            vault: Vault::default(),
            sink: Arc::new(sink),
            clock,
            entropy: Arc::new(Counter::default()),
            spans: Arc::new(NoSpans),
            lease,
            links: self.links.clone(),
            node: self.node.clone(),
        }
    }

    /// Stops delivery in order: what is on its way ends.
    pub(crate) async fn stop_softly(&mut self) {
        let running = self.running.take().expect("it runs");
        running.soft.cancel();
        ends(&running.tasks).await;
    }

    /// Tells delivery to begin nothing any more, and does not wait.
    pub(crate) fn ask_to_stop(&self) {
        self.running.as_ref().expect("it runs").soft.cancel();
    }

    /// Stops delivery at once.
    pub(crate) async fn stop_hard(&mut self) {
        let running = self.running.take().expect("it runs");
        running.soft.cancel();
        running.hard.cancel();
        ends(&running.tasks).await;
    }

    /// Whether delivery still runs.
    pub(crate) fn runs(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.tasks.is_empty())
    }

    /// A prediction that this node runs, whose messages go to `url`.
    pub(crate) async fn create(&self, url: &str, events: &[WebhookEvent]) -> Prediction {
        let request = self.request(url, events.iter().copied().collect());
        let new = NewPrediction {
            request: request.clone(),
            claim: Some(self.node.clone()),
            deadline: None,
            idempotency: None,
            uploads: Vec::new(),
        };
        self.store.create(new).await.expect("writable");
        Prediction::new(request)
    }

    fn request(&self, url: &str, events: EventSet) -> Request {
        let now = self.clock.now();
        let origin = url::Url::parse(url).expect("a URL").origin().ascii_serialization();
        Request {
            id: PredictionId::new(now, self.entropy.bits()),
            account: account(),
            kind: Kind::Prediction,
            model: "acme/echo".parse().expect("a name"),
            version: "a".repeat(64).parse().expect("an id"),
            source: Source::Api,
            created_at: now,
            input: Json::parse(r#"{"text":"you"}"#).expect("JSON"),
            webhook: Some(Webhook {
                url: url.to_owned(),
                origin,
                events,
                filter: None,
                payload: PayloadShape::Prediction,
                options: self.options.clone(),
            }),
            cancel_at: None,
            streams: false,
            destination: None,
            trace: None,
        }
    }

    /// The model has begun.
    pub(crate) async fn begin(&self, prediction: &mut Prediction) {
        let report = Report { started_at: Some(self.clock.now()), ..Report::default() };
        self.commit(prediction, report).await;
    }

    /// The model has said something.
    pub(crate) async fn say(&self, prediction: &mut Prediction, text: &str) {
        let events = vec![ChunkEvent::Item(Json::parse(&format!("{text:?}")).expect("JSON"))];
        self.commit(prediction, Report { events, ..Report::default() }).await;
    }

    /// The model is done.
    pub(crate) async fn end(&self, prediction: &mut Prediction) {
        self.commit(prediction, Report { end: Some(RunEnd::Succeeded), ..Report::default() }).await;
    }

    /// A prediction whose end is owed to `url`.
    pub(crate) async fn ended(&self, url: &str) -> Prediction {
        let mut prediction = self.create(url, &[WebhookEvent::Completed]).await;
        self.begin(&mut prediction).await;
        self.end(&mut prediction).await;
        prediction
    }

    /// Commits as the engine does: with room reserved, and the lane handed over.
    async fn commit(&self, prediction: &mut Prediction, report: Report) {
        let now = self.clock.now();
        let transition = prediction.apply(Event::Ran(report), now, &self.links).expect("allowed");
        let webhook = prediction.request.webhook.as_ref().expect("it has one");
        let permit = self.running.as_ref().and_then(|running| running.handoff.try_reserve(&webhook.origin));
        let commit = Commit {
            transition: transition.clone(),
            request: prediction.request.clone(),
            guard: CommitGuard::Anyone,
            deadline: None,
            expires_at: None,
            deliver_here: permit.is_some().then(|| self.node.clone()),
            now,
        };
        let CommitOutcome::Committed(effect) = self.store.commit(commit).await.expect("writable") else {
            panic!("nobody else changes it");
        };
        prediction.absorb(transition);
        match (effect, permit) {
            (LaneEffect::Claimed(lane), Some(permit)) => permit.send(*lane),
            (LaneEffect::DueAt(at), _) => self.wake_at(at),
            _ => {}
        }
    }

    /// Tells delivery that something is due then.
    pub(crate) fn wake_at(&self, at: cogwire_core::time::Timestamp) {
        self.running.iter().for_each(|running| running.handoff.wake_at(at));
    }

    /// The messages of a prediction.
    pub(crate) async fn messages(&self, prediction: &Prediction) -> Vec<Message> {
        self.store.deliveries(prediction.id()).await.expect("readable")
    }

    /// Waits until the messages of a prediction stand like this.
    pub(crate) async fn wait_for(&self, prediction: &Prediction, expected: &[(WebhookEvent, DeliveryState)]) {
        let mut seen = Vec::new();
        for _ in 0..4000 {
            let messages = self.messages(prediction).await;
            seen = messages.iter().map(|message| (message.event, message.state)).collect();
            if seen == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the messages are {seen:?}, not {expected:?}");
    }

    /// The attempts at the last message of a prediction.
    pub(crate) async fn attempts(&self, prediction: &Prediction) -> Vec<Attempt> {
        let id = self.messages(prediction).await.last().expect("a message").id;
        self.store.delivery(id).await.expect("readable").expect("it is there").1
    }

    /// Waits until there are this many attempts at the last message.
    pub(crate) async fn wait_attempts(&self, prediction: &Prediction, count: usize) -> Vec<Attempt> {
        for _ in 0..4000 {
            let attempts = self.attempts(prediction).await;
            if attempts.len() >= count {
                return attempts;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("there are no {count} attempts");
    }

    /// Checks the signature of a request with the given secrets, by the verifier that the product offers.
    pub(crate) fn verify(&self, secrets: &[Secret], request: &Arrived) {
        let received = Received {
            id: request.header("webhook-id"),
            timestamp: request.header("webhook-timestamp"),
            signature: request.header("webhook-signature"),
            body: &request.body,
        };
        signature::verify(secrets, &received, self.clock.now().as_seconds(), 300).expect("signed");
    }

    /// How many secrets signed a request.
    pub(crate) fn entries(request: &Arrived) -> usize {
        request.header("webhook-signature").map_or(0, |header| header.split(' ').count())
    }
}

pub(crate) fn account() -> AccountId {
    AccountId(ACCOUNT.into())
}

async fn ends(tasks: &TaskTracker) {
    tokio::time::timeout(Duration::from_secs(20), tasks.wait()).await.expect("delivery ends");
}
