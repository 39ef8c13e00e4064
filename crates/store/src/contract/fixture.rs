//! What the suite's tests are made of: one server's view of a store, with the verbs of its users.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::{DeliveryId, PredictionId, VersionId};
use cogwire_core::json::Json;
use cogwire_core::link::LinkKey;
use cogwire_core::prediction::{
    AccountId, ChunkEvent, Deadline, DeadlineKind, Event, Kind, Limits, Prediction, Report, Request, RunEnd,
    Source,
};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::{EventSet, PayloadShape, Webhook, WebhookEvent};
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::wire::Links;

use super::Home;
use crate::delivery::{
    Attempt, BeginIntermediate, ClaimedLane, FinishedAttempt, LaneClaim, LaneOutcome, Verdict,
};
use crate::node::Node;
use crate::prediction::{
    Claimed, Commit, CommitOutcome, CreateOutcome, Guard, LaneEffect, Lease, NewPrediction, Wanted,
};
use crate::{NodeEpoch, Store};

/// A trace that predictions may belong to.
pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The suite's time zero, plus this many milliseconds.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + millis * 1000)
}

/// The `number`-th prediction's id; later numbers are later ids.
pub(crate) fn id(number: u32) -> PredictionId {
    PredictionId::new(at(i64::from(number)), u128::from(number))
}

pub(crate) fn node(name: &str) -> NodeEpoch {
    NodeEpoch(name.into())
}

pub(crate) fn account(name: &str) -> AccountId {
    AccountId(name.into())
}

pub(crate) fn version(number: u8) -> VersionId {
    format!("{number:02x}").repeat(32).parse().expect("64 hexadecimal digits")
}

/// At most `limit` predictions of a version.
pub(crate) fn wanted(number: u8, limit: u32) -> Wanted {
    Wanted { version: version(number), limit }
}

pub(crate) fn links() -> Links {
    Links::new("http://localhost:8787", LinkKey::new([7; 32]))
}

/// A request made at `at(number)`, without a webhook.
pub(crate) fn request(number: u32) -> Request {
    Request {
        id: id(number),
        account: account("acme"),
        kind: Kind::Prediction,
        model: "acme/story".parse().expect("a model's name"),
        version: version(1),
        source: Source::Api,
        created_at: at(i64::from(number)),
        input: Json::parse(&format!(r#"{{"number":{number}}}"#)).expect("JSON"),
        webhook: None,
        cancel_at: None,
        streams: true,
        destination: None,
        trace: None,
    }
}

/// The same, with a webhook for these events.
pub(crate) fn request_with_webhook(number: u32, events: &[WebhookEvent]) -> Request {
    Request { webhook: Some(webhook("http://localhost:3000", events)), ..request(number) }
}

pub(crate) fn webhook(origin: &str, events: &[WebhookEvent]) -> Webhook {
    let events: EventSet = events.iter().copied().collect();
    let url = format!("{origin}/hook");
    Webhook {
        url,
        origin: origin.to_owned(),
        events,
        filter: Some(events),
        payload: PayloadShape::Prediction,
        options: WebhookOptions::default(),
    }
}

/// The request as something to create that waits in the queue.
pub(crate) fn new(request: Request) -> NewPrediction {
    let deadline =
        Some(Deadline { at: request.created_at + Limits::default().queue, kind: DeadlineKind::Queue });
    NewPrediction { request, claim: None, deadline, idempotency: None, uploads: Vec::new() }
}

/// What a model says in one report.
pub(crate) fn said(events: Vec<ChunkEvent>) -> Event {
    Event::Ran(Report { events, ..Report::default() })
}

pub(crate) fn log(text: &str) -> ChunkEvent {
    ChunkEvent::Log(text.to_owned())
}

pub(crate) fn item(text: &str) -> ChunkEvent {
    ChunkEvent::Item(Json::string(text))
}

/// The model begins.
pub(crate) fn started(now: Timestamp) -> Event {
    Event::Ran(Report { started_at: Some(now), ..Report::default() })
}

/// The model ends well.
pub(crate) fn succeeded() -> Event {
    Event::Ran(Report { end: Some(RunEnd::Succeeded), ..Report::default() })
}

/// What `event` does to `prediction`, ready to be committed by anybody.
pub(crate) fn commit_of(prediction: &Prediction, event: Event, guard: Guard, now: Timestamp) -> Commit {
    let transition = prediction.apply(event, now, &links()).expect("the event is allowed");
    let ended = transition.next().status().is_terminal();
    Commit {
        request: Arc::clone(&prediction.request),
        guard,
        deadline: Limits::default().deadline(&prediction.request, transition.next(), None),
        expires_at: ended.then(|| now + Duration::from_secs(3600)),
        deliver_here: None,
        now,
        transition,
    }
}

/// A prediction that is run, as its holder knows it.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) prediction: Prediction,
    pub(crate) lease: Lease,
}

impl Run {
    pub(crate) fn id(&self) -> PredictionId {
        self.prediction.id()
    }

    pub(crate) fn commit_of(&self, event: Event, now: Timestamp) -> Commit {
        commit_of(&self.prediction, event, Guard::Holder(self.lease.clone()), now)
    }
}

impl From<Claimed> for Run {
    fn from(claimed: Claimed) -> Self {
        Self { prediction: claimed.prediction, lease: claimed.lease }
    }
}

/// A store, and the node that uses it.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) node: NodeEpoch,
    home: Arc<dyn Home>,
}

impl World {
    /// An empty store, with the node `one` registered.
    pub(crate) async fn new(home: Arc<dyn Home>) -> Self {
        let store = home.open().await;
        let world = Self { store, node: node("one"), home };
        world.register(&world.node, at(0)).await;
        world
    }

    /// Closes the store and opens it again.
    pub(crate) async fn restart(self) -> Self {
        let Self { store, node, home } = self;
        drop(store);
        home.close().await;
        Self { store: home.open().await, node, home }
    }

    /// Begins an epoch that lasts a minute.
    pub(crate) async fn register(&self, node: &NodeEpoch, now: Timestamp) {
        let until = now + Duration::from_secs(60);
        let node = Node { epoch: node.clone(), roles: "api run".to_owned(), versions: vec![version(1)] };
        self.store.register_node(&node, until).await.expect("the node is registered");
    }

    /// Creates a prediction that waits.
    pub(crate) async fn create(&self, request: Request) -> Prediction {
        let outcome = self.store.create(new(request.clone())).await;
        assert_eq!(outcome.expect("the create is written"), CreateOutcome::Created);
        Prediction::new(request)
    }

    /// Creates a prediction that this node runs.
    pub(crate) async fn create_run(&self, request: Request) -> Run {
        let prediction = Prediction::new(request.clone());
        let outcome =
            self.store.create(NewPrediction { claim: Some(self.node.clone()), ..new(request) }).await;
        assert_eq!(outcome.expect("the create is written"), CreateOutcome::Created);
        Run { prediction, lease: Lease { node: self.node.clone(), lease_no: 1 } }
    }

    /// Claims waiting predictions of version 1 for this node.
    pub(crate) async fn claim(&self, limit: u32) -> Vec<Claimed> {
        self.claim_wanted(&[wanted(1, limit)], limit).await
    }

    /// Claims what is wanted of each version for this node.
    pub(crate) async fn claim_wanted(&self, wanted: &[Wanted], limit: u32) -> Vec<Claimed> {
        let claimed = self.store.claim(&self.node, wanted, limit, at(600_000)).await;
        claimed.expect("the claim is written")
    }

    pub(crate) async fn commit(&self, commit: Commit) -> CommitOutcome {
        self.store.commit(commit).await.expect("the commit is written or refused")
    }

    /// Commits what happened to a run, which must succeed, and says what it means for delivery.
    pub(crate) async fn advance(&self, run: &mut Run, event: Event, now: Timestamp) -> LaneEffect {
        self.advance_with(run, run.commit_of(event, now)).await
    }

    /// The same, and asks for the lane.
    pub(crate) async fn advance_here(&self, run: &mut Run, event: Event, now: Timestamp) -> LaneEffect {
        let commit = Commit { deliver_here: Some(self.node.clone()), ..run.commit_of(event, now) };
        self.advance_with(run, commit).await
    }

    async fn advance_with(&self, run: &mut Run, commit: Commit) -> LaneEffect {
        let transition = commit.transition.clone();
        let CommitOutcome::Committed(effect) = self.commit(commit).await else { panic!("the run is held") };
        run.prediction.absorb(transition);
        effect
    }

    pub(crate) async fn load(&self, id: PredictionId) -> Prediction {
        self.find(id).await.expect("the prediction is there")
    }

    pub(crate) async fn find(&self, id: PredictionId) -> Option<Prediction> {
        self.store.load(id).await.expect("the prediction is read")
    }

    /// Claims what is due, with wide limits.
    pub(crate) async fn claim_lanes(&self, now: Timestamp) -> Vec<ClaimedLane> {
        let claim = LaneClaim::of_any(100, 100, now);
        self.store.claim_lanes(&self.node, claim).await.expect("the claim is written").lanes
    }

    /// Claims the one lane that is due.
    pub(crate) async fn claim_lane(&self, now: Timestamp) -> ClaimedLane {
        let mut lanes = self.claim_lanes(now).await;
        assert_eq!(lanes.len(), 1, "one lane is due");
        lanes.remove(0)
    }

    /// Begins an intermediate message that shows the prediction at `revision`; `None` when the store refuses.
    pub(crate) async fn begin(
        &self,
        held: &ClaimedLane,
        event: WebhookEvent,
        revision: u64,
        now: Timestamp,
    ) -> Option<DeliveryId> {
        let seq = held.lane.clone().begin_intermediate(event, now);
        let begin = BeginIntermediate {
            prediction: held.prediction,
            lease_no: held.lease_no,
            node: self.node.clone(),
            seq,
            event,
            revision,
            body_sha256: [9; 32],
            size: 2,
            now,
        };
        let begun = self.store.begin_intermediate(begin).await.expect("the message is written or refused");
        begun.then_some(DeliveryId { prediction: held.prediction, seq })
    }

    /// Records one attempt.
    pub(crate) async fn finish(&self, finished: FinishedAttempt, now: Timestamp) -> LaneOutcome {
        let mut outcomes =
            self.store.finish_attempts([finished].into(), now).await.expect("the attempt is written");
        assert_eq!(outcomes.len(), 1, "one outcome for one attempt");
        outcomes.remove(0)
    }
}

/// An attempt by the lane's holder.
pub(crate) fn finished(
    world: &World,
    held: &ClaimedLane,
    delivery: DeliveryId,
    number: u32,
    verdict: Verdict,
) -> FinishedAttempt {
    let delivered = verdict == Verdict::Delivered;
    let attempt = Attempt {
        number,
        // Before everything else in the suite, so that it moves no pace.
        started_at: at(0),
        duration: Duration::from_micros(1234),
        status: Some(if delivered { 200 } else { 500 }),
        class: if delivered { "delivered" } else { "status" }.to_owned(),
        detail: "The receiver answered.".to_owned(),
        manual: false,
        report: None,
    };
    let is_final = held.lane.last.as_ref().is_some_and(|last| last.seq == delivery.seq);
    FinishedAttempt {
        delivery,
        lease_no: held.lease_no,
        node: world.node.clone(),
        is_final,
        attempt,
        verdict,
    }
}

/// The final message of a lane.
pub(crate) fn final_of(held: &ClaimedLane) -> DeliveryId {
    let last = held.lane.last.as_ref().expect("the lane owes a final message");
    DeliveryId { prediction: held.prediction, seq: last.seq }
}

/// The lane that a commit claimed.
pub(crate) fn claimed(effect: LaneEffect) -> ClaimedLane {
    match effect {
        LaneEffect::Claimed(held) => *held,
        other => panic!("the lane should have been claimed, and it was {other:?}"),
    }
}

/// Statements that write a version and its prediction as they were before versions had recipes.
#[cfg(test)]
pub(crate) fn rows_of_before() -> String {
    let (id, version) = (id(1), version(1));
    format!(
        "INSERT INTO model (name, created_at) VALUES ('acme/story', 1);
         INSERT INTO version (id, model, rank, created_at, cog_version, openapi_schema)
           VALUES ('{version}', 'acme/story', 1, 1, '0.16.0', '{{}}');
         INSERT INTO prediction (id, account, kind, model, version, source, status, created_at, streams, input)
           VALUES ('{id}', 'acme', 'prediction', 'acme/story', '{version}', 'api', 'starting', 1, '0', '{{}}');
         INSERT INTO live (prediction_id, version, queued_at, lease_no, run, revision, next_event)
           VALUES ('{id}', '{version}', 1, 0, 0, 0, 0);"
    )
}

/// Finds them in the store after its upgrade.
#[cfg(test)]
pub(crate) async fn find_rows_of_before(store: &dyn Store) {
    let found = store.version(&version(1)).await.expect("the row decodes").expect("it is there");
    assert_eq!((found.model.as_str(), found.recipe), ("acme/story", None));
    let found = store.load(id(1)).await.expect("the row decodes").expect("it is there");
    assert_eq!((found.request.version.clone(), found.request.destination.clone()), (version(1), None));
    assert_eq!(found.request.trace, None);
}
