//! Webhooks: what is owed, what was sent, what came back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::AccountId;
use cogwire_core::text_enum;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::webhook::pacing::Lane;

use crate::error::Result;
use crate::node::NodeEpoch;
pub use crate::report::{AttemptReport, HeaderLines, ResponseReport};

/// A lane that this node holds: nobody else sends for this prediction.
#[derive(Debug, Clone)]
pub struct ClaimedLane {
    /// The prediction.
    pub prediction: PredictionId,
    /// Whose it is: its secrets sign.
    pub account: AccountId,
    /// Where to send.
    pub url: String,
    /// Scheme, host and port of it.
    pub origin: String,
    /// What the caller asked for beyond Replicate's fields.
    pub options: WebhookOptions,
    /// The fence of the hold.
    pub lease_no: u64,
    /// What is owed.
    pub lane: Lane,
    /// The bytes of the final message, when the lane has one and they are there: a damaged database may have lost them.
    pub final_body: Option<Bytes>,
}

/// Limits for a claim.
#[derive(Debug, Clone)]
pub struct LaneClaim {
    /// The most lanes to claim.
    pub limit: u32,
    /// The most lanes of one origin.
    pub per_origin: u32,
    /// Only lanes that are due at or before.
    pub now: Timestamp,
    /// Origins whose lanes stay where they are, as if there were none.
    pub skip: Arc<[String]>,
    /// Only lanes of this origin, whatever is skipped.
    pub only: Option<String>,
    /// Where an earlier claim stopped looking.
    pub after: Option<OriginCursor>,
}

impl AttemptPlace {
    /// Before all attempts.
    pub(crate) fn start() -> Self {
        let prediction = PredictionId::first_at(Timestamp::from_micros(0));
        Self { delivery: DeliveryId { prediction, seq: 0 }, number: 0 }
    }
}

impl LaneClaim {
    /// A claim of lanes of any origin.
    pub fn of_any(limit: u32, per_origin: u32, now: Timestamp) -> Self {
        Self { limit, per_origin, now, skip: Arc::default(), only: None, after: None }
    }
}

/// How far claims have looked that follow each other. One claim looks at a bounded number of origins, and the next one goes on
/// where it stopped, until all have been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginCursor {
    /// The last origin that was looked at.
    pub(crate) after: String,
    /// When the next lane is due of those that were looked at.
    pub(crate) next_due: Option<Timestamp>,
}

/// What a claim found.
#[derive(Debug, Clone, Default)]
pub struct LaneClaims {
    /// The lanes, now held.
    pub lanes: Vec<ClaimedLane>,
    /// When the next free lane is due, of those that were asked for and not claimed: this time, and before [`LaneClaim::after`].
    pub next_due: Option<Timestamp>,
    /// There are more origins, and nobody knows what is due there: the next claim goes on here.
    pub rest: Option<OriginCursor>,
}

impl LaneClaims {
    /// Claims that follow `after`, of which the last one looked until `stopped`, unless it saw all that there was.
    pub(crate) fn of(
        lanes: Vec<ClaimedLane>,
        next_due: Option<Timestamp>,
        after: Option<OriginCursor>,
        stopped: Option<String>,
    ) -> Self {
        let earlier = after.and_then(|after| after.next_due);
        let next_due = earlier.into_iter().chain(next_due).min();
        Self { lanes, next_due, rest: stopped.map(|after| OriginCursor { after, next_due }) }
    }
}

/// The most origins that one claim looks at: enough that few servers ever need a second look, and few enough that one takes a
/// moment however many there are.
pub(crate) const ORIGINS_PER_CLAIM: usize = 512;

/// An intermediate message that is about to be sent.
#[derive(Debug, Clone)]
pub struct BeginIntermediate {
    /// The prediction.
    pub prediction: PredictionId,
    /// The fence.
    pub lease_no: u64,
    /// The holder.
    pub node: NodeEpoch,
    /// Its number, as [`Lane::begin_intermediate`] gave it.
    pub seq: u32,
    /// `start`, `output` or `logs`.
    pub event: WebhookEvent,
    /// The revision of the prediction that the body shows. Progress that was committed after it stays wanted.
    pub revision: u64,
    /// SHA-256 of the body.
    pub body_sha256: [u8; 32],
    /// Length of the body in bytes.
    pub size: u64,
    /// Now.
    pub now: Timestamp,
}

/// An attempt that has ended.
#[derive(Debug, Clone)]
pub struct FinishedAttempt {
    /// The message.
    pub delivery: DeliveryId,
    /// The fence of the lane.
    pub lease_no: u64,
    /// The holder.
    pub node: NodeEpoch,
    /// Whether the message is the prediction's final one: then nothing waits for the record.
    pub is_final: bool,
    /// What happened.
    pub attempt: Attempt,
    /// What follows.
    pub verdict: Verdict,
}

/// What an attempt means for its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver took it.
    Delivered,
    /// It is tried again then (final messages only).
    RetryAt(Timestamp),
    /// As if it had not been tried, it is due again then: the attempt is recorded and spends no try of the schedule (final
    /// messages only).
    Postponed(Timestamp),
    /// It is not tried again: the schedule is over, or the message is an intermediate one.
    GivenUp,
}

/// One request to a receiver, as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number within the message, from 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, to the last byte that was read.
    pub duration: Duration,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What kind of result it is; `delivered` for success, else a class such as `timeout`, `connect`, `dns`, `tls`, `blocked`,
    /// `redirect`, `status`.
    pub class: String,
    /// A sentence that explains the result, with advice; the beginning of the answer's body is part of `detail`.
    pub detail: String,
    /// Whether a person asked for it.
    pub manual: bool,
    /// What was sent and what came back, as far as it is kept.
    pub report: Option<AttemptReport>,
}

/// The place of an attempt among all of them: those of earlier predictions come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptPlace {
    /// Its message.
    pub delivery: DeliveryId,
    /// Its number.
    pub number: u32,
}

/// What a finished attempt leaves to do in its lane.
#[derive(Debug, Clone)]
pub enum LaneOutcome {
    /// Something is due at once; the node still holds the lane.
    Continue(Box<ClaimedLane>),
    /// The lane is free, and due then.
    DueAt(Timestamp),
    /// The lane is free, and nothing is owed.
    Idle,
    /// The lane was taken by another node; the attempt is recorded all the same.
    Fenced,
}

text_enum! {
    /// How a message stands.
    DeliveryState {
        /// It waits for its first or next attempt.
        Pending = "pending",
        /// It is being sent.
        Sending = "sending",
        /// The receiver took it.
        Delivered = "delivered",
        /// An intermediate message that the receiver did not take; such messages are sent once.
        Failed = "failed",
        /// Given up after the last attempt; it is kept and can be sent again.
        Exhausted = "exhausted",
        /// An intermediate message whose sending was cut off when the server stopped.
        Interrupted = "interrupted",
    }
}

/// A message and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its name, which is its `webhook-id`.
    pub id: DeliveryId,
    /// Whose it is.
    pub account: AccountId,
    /// What it is about.
    pub event: WebhookEvent,
    /// Where it goes.
    pub url: String,
    /// How it stands.
    pub state: DeliveryState,
    /// Its bytes; only final messages keep them.
    pub body: Option<Bytes>,
    /// SHA-256 of its bytes.
    pub body_sha256: [u8; 32],
    /// The number of its bytes.
    pub size: u64,
    /// Progress messages that it took the place of.
    pub superseded: u32,
    /// Attempts that have ended.
    pub attempts: u32,
    /// When the next attempt is due.
    pub next_attempt_at: Option<Timestamp>,
    /// When the message was made.
    pub created_at: Timestamp,
}

/// Which deliveries to list, newest first.
#[derive(Debug, Clone)]
pub struct ListDeliveries {
    /// Whose.
    pub account: AccountId,
    /// Only those that stand so.
    pub state: Option<DeliveryState>,
    /// Only those older than this one, for paging.
    pub before: Option<DeliveryId>,
    /// The most rows to return.
    pub limit: u32,
}

/// What becomes of a request to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResendOutcome {
    /// It is due now.
    Queued,
    /// It is still on its way.
    AlreadyPending,
    /// Its bytes were not kept: only final messages can be sent again.
    NotStored,
    /// There is no such message.
    NotFound,
}

/// Which messages to send again, of those that were given up.
#[derive(Debug, Clone)]
pub struct ResendSince {
    /// Whose.
    pub account: AccountId,
    /// Only those that were made or last tried then or later.
    pub since: Timestamp,
    /// Only those that follow this one in the order of their ids: where an earlier request stopped.
    pub after: Option<DeliveryId>,
    /// The most messages to look at.
    pub limit: u32,
}

/// What becomes of a request to send many again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResentSince {
    /// Messages that are due now.
    pub queued: u32,
    /// The last message that was looked at, when there are more: what was sent again and is given up once more comes before it.
    pub next: Option<DeliveryId>,
}

/// How much is unsent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Final messages that wait.
    pub pending: u64,
    /// Those of them that are due now, or on their way: the others wait for their next attempt.
    pub due: u64,
    /// Since when the longest of them waits: since it was made, was sent again by hand, or was first tried then.
    pub oldest: Option<Timestamp>,
    /// Final messages that were given up.
    pub exhausted: u64,
}

/// The use cases of sending and explaining webhooks.
#[async_trait]
pub trait DeliveryStore: Send + Sync + 'static {
    /// Claims free lanes that are due, the longest-due first, origins in turn.
    async fn claim_lanes(&self, node: &NodeEpoch, claim: LaneClaim) -> Result<LaneClaims>;

    /// Makes an intermediate message durable just before it is sent. `false` when the lane is no longer this node's: it was
    /// taken over, or the message is not wanted any more because the final one took its place, and then the lane is free
    /// and due. Whoever did not hear the answer may ask again: the message is begun once.
    async fn begin_intermediate(&self, begin: BeginIntermediate) -> Result<bool>;

    /// Records attempts that have ended, and frees each lane or keeps it when something else is due. Outcomes are in the
    /// order of the attempts. Whoever did not hear the answer may ask again: an attempt is recorded and counted once, also
    /// when its number had to be another one because somebody else's attempt had it.
    async fn finish_attempts(
        &self,
        finished: Arc<[FinishedAttempt]>,
        now: Timestamp,
    ) -> Result<Vec<LaneOutcome>>;

    /// Frees lanes without an attempt; their messages stay due.
    async fn release_lanes(&self, node: &NodeEpoch, lanes: &[(PredictionId, u64)]) -> Result<()>;

    /// The lanes that the store takes this node to hold, with their fences.
    async fn held_lanes(&self, node: &NodeEpoch) -> Result<Vec<(PredictionId, u64)>>;

    /// The messages of a prediction, in order, without their bytes.
    async fn deliveries(&self, prediction: PredictionId) -> Result<Vec<Delivery>>;

    /// One message with its attempts, oldest first.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>>;

    /// A page of messages, newest prediction first, without their bytes.
    async fn list_deliveries(&self, query: &ListDeliveries) -> Result<Vec<Delivery>>;

    /// What is still owed for a prediction; `None` when there is nothing to remember.
    async fn lane(&self, prediction: PredictionId) -> Result<Option<Lane>>;

    /// Owes a message again.
    async fn resend(&self, id: DeliveryId, now: Timestamp) -> Result<ResendOutcome>;

    /// Owes again what the account's receivers did not take. It looks at a bounded number of exhausted messages, the oldest first,
    /// and says where to go on.
    async fn resend_since(&self, wanted: &ResendSince, now: Timestamp) -> Result<ResentSince>;

    /// Deletes messages made before `cutoff` that are not owed any more, with their attempts; at most `limit` messages. One that
    /// was given up stays until its last attempt is as old.
    async fn sweep_deliveries(&self, cutoff: Timestamp, limit: u32) -> Result<u64>;

    /// Looks at `limit` attempts after a place, of predictions made before `cutoff`, and forgets what was sent and what came back
    /// where the attempt began before then, too. Says where to go on; `None` when there are no more for now.
    async fn sweep_reports(
        &self,
        cutoff: Timestamp,
        after: Option<AttemptPlace>,
        limit: u32,
    ) -> Result<Option<AttemptPlace>>;

    /// How much is unsent now. Counting takes a moment for each million that waits.
    async fn backlog(&self, now: Timestamp) -> Result<Backlog>;
}
