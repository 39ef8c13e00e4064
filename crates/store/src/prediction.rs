//! Predictions: creating, claiming, changing, ending, reading and forgetting them.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use cogwire_core::id::{FileId, PredictionId, VersionId};
use cogwire_core::prediction::{
    AccountId, Chunk, Deadline, DeadlineKind, Kind, Prediction, Request, Source, Status, Transition,
};
use cogwire_core::time::Timestamp;

use crate::delivery::ClaimedLane;
use crate::error::Result;
use crate::node::NodeEpoch;

/// Sorts after every id.
const AFTER_ALL_IDS: &str = "~";

/// How far a place in the queue is counted: one that is further back has this number.
pub const FURTHEST_POSITION: u64 = 1000;

/// The precision of the time in an id.
const MILLISECOND: Duration = Duration::from_millis(1);

/// A prediction to create.
#[derive(Debug, Clone)]
pub struct NewPrediction {
    /// What was asked.
    pub request: Request,
    /// When set, the prediction is created as claimed by this node, in the same commit.
    pub claim: Option<NodeEpoch>,
    /// The first deadline.
    pub deadline: Option<Deadline>,
    /// From `Idempotency-Key`.
    pub idempotency: Option<Idempotency>,
    /// The uploads that the input names: they stay until the prediction has ended.
    pub uploads: Vec<FileId>,
}

/// A key under which a create happens at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key, unique within the account.
    pub key: String,
    /// SHA-256 of what was asked, to notice a key that is used for something else.
    pub request_sha256: [u8; 32],
    /// When the key is forgotten.
    pub expires_at: Timestamp,
}

/// What became of a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// It is durable.
    Created,
    /// The key was used before for the same request, which made this prediction.
    Replayed(PredictionId),
    /// The key was used before for another request.
    KeyReused,
}

/// Who holds a live prediction, and the fence of its hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The holder.
    pub node: NodeEpoch,
    /// Grows whenever the prediction changes hands.
    pub lease_no: u64,
}

/// On whose behalf a transition is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The node that runs it: refused when it no longer holds the lease.
    Holder(Lease),
    /// Anybody: a cancel or a deadline. Only the revision must match.
    Anyone,
}

/// A transition to make durable, with what hangs on it.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The change.
    pub transition: Transition,
    /// The request of the prediction (its webhook, and whether its stream is kept).
    pub request: std::sync::Arc<Request>,
    /// On whose behalf.
    pub guard: Guard,
    /// The deadline after it; `None` when it ends.
    pub deadline: Option<Deadline>,
    /// When it ends: when its data is removed; `None` keeps it for ever.
    pub expires_at: Option<Timestamp>,
    /// When set and a lane is due at once and free, the lane is claimed for this node in the same commit.
    pub deliver_here: Option<NodeEpoch>,
    /// Now.
    pub now: Timestamp,
}

/// What became of a commit.
#[derive(Debug, Clone)]
pub enum CommitOutcome {
    /// It is durable.
    Committed(LaneEffect),
    /// The prediction has another revision by now; load it and apply the event again. Nothing was written.
    Conflict,
    /// The holder's lease is gone, or the prediction has ended. Nothing was written; the holder must stop.
    Fenced,
}

/// What a commit means for delivery on this node.
#[derive(Debug, Clone)]
pub enum LaneEffect {
    /// Nothing to do here.
    None,
    /// The lane was claimed for this node.
    Claimed(Box<ClaimedLane>),
    /// The lane is free, and due then.
    DueAt(Timestamp),
}

/// A version whose predictions a node would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The version.
    pub version: VersionId,
    /// The most predictions of it.
    pub limit: u32,
}

impl Wanted {
    /// What is wanted of each version, at most `limit`; of one that is named twice, the higher number.
    pub(crate) fn by_version(wanted: &[Self], limit: u32) -> BTreeMap<&VersionId, u32> {
        let mut limits = BTreeMap::new();
        for Self { version, limit: wanted } in wanted {
            let most: &mut u32 = limits.entry(version).or_default();
            *most = (*most).max((*wanted).min(limit));
        }
        limits
    }
}

/// A prediction that this node now holds.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The prediction as stored: starting, without content.
    pub prediction: Prediction,
    /// The hold.
    pub lease: Lease,
    /// How often it has been begun, this time included.
    pub run: u32,
}

/// Whose deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdue {
    /// The prediction.
    pub id: PredictionId,
    /// The limit that was reached.
    pub kind: DeadlineKind,
}

/// Which predictions to list, newest first.
#[derive(Debug, Clone)]
pub struct ListPredictions {
    /// Whose.
    pub account: AccountId,
    /// Predictions or trainings.
    pub kind: Kind,
    /// Only those created at or after.
    pub created_after: Option<Timestamp>,
    /// Only those created before.
    pub created_before: Option<Timestamp>,
    /// Only those of this source.
    pub source: Option<Source>,
    /// Only those in this state.
    pub status: Option<Status>,
    /// Where the page begins.
    pub cursor: Option<Cursor>,
    /// The most rows to return.
    pub limit: u32,
}

/// A place between two rows of a list that is ordered newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor<Id = PredictionId> {
    /// Rows older than this one, newest first.
    Before(Id),
    /// Rows newer than this one; the nearest ones, still returned newest first.
    After(Id),
}

impl<Id: Copy + ToString> Cursor<Id> {
    /// The ids between which the page lies, both excluded.
    pub(crate) fn id_range(cursor: Option<Self>) -> (String, String) {
        match cursor {
            None => (String::new(), AFTER_ALL_IDS.to_owned()),
            Some(Self::Before(id)) => (String::new(), id.to_string()),
            Some(Self::After(id)) => (id.to_string(), AFTER_ALL_IDS.to_owned()),
        }
    }

    /// Whether the page is read from its oldest row on.
    pub(crate) fn is_backwards(cursor: Option<Self>) -> bool {
        matches!(cursor, Some(Self::After(_)))
    }
}

impl ListPredictions {
    /// The ids between which the page lies, both excluded. Ids begin with the time of creation, by the millisecond, so that
    /// a range of times is a range of the primary key.
    pub(crate) fn id_range(&self) -> (String, String) {
        let first_at = |at| PredictionId::first_at(at).to_string();
        let (above, below) = Cursor::id_range(self.cursor);
        let after = self.created_after.map(|at| first_at(at - MILLISECOND));
        let before = self.created_before.map(|at| first_at(at + MILLISECOND));
        (after.into_iter().fold(above, String::max), before.into_iter().fold(below, String::min))
    }

    /// Whether the page is read from its oldest prediction on.
    pub(crate) fn is_backwards(&self) -> bool {
        Cursor::is_backwards(self.cursor)
    }
}

/// The events of a stream from some number on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPage {
    /// Whole chunks; the first may begin before the number that was asked for.
    pub chunks: Vec<Chunk>,
    /// The state's name, read together with the chunks.
    pub status: Status,
    /// When the prediction was created.
    pub created_at: Timestamp,
    /// The error, if it failed.
    pub error: Option<String>,
    /// Whether the chunks are all that there is up to now; `false` when the limit cut them off.
    pub complete: bool,
}

/// A prediction whose data is due to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredData {
    /// The prediction.
    pub id: PredictionId,
    /// Its files, which must be gone from storage before the row says that its data is removed.
    pub files: Vec<FileId>,
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Its name in storage.
    pub id: FileId,
    /// The prediction that it belongs to.
    pub prediction: PredictionId,
    /// Its name for people.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// Some of the files, in the order of their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilePage {
    /// Those whose prediction does not exist.
    pub unowned: Vec<FileId>,
    /// The last file that was looked at, when there may be more after it.
    pub next: Option<FileId>,
}

impl FilePage {
    /// The page of up to `limit` files that were looked at in order; whether a prediction has them is beside them.
    pub(crate) fn of(files: &[(FileId, bool)], limit: u32) -> Self {
        let is_full = files.len() >= limit as usize;
        let unowned = files.iter().filter(|(_, is_owned)| !is_owned);
        Self {
            unowned: unowned.map(|(id, _)| *id).collect(),
            next: files.last().filter(|_| is_full).map(|(id, _)| *id),
        }
    }
}

/// How much work waits and runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Predictions that wait for an instance.
    pub queued: u64,
    /// Predictions that a node holds.
    pub running: u64,
}

/// The use cases of the API and the engine.
#[async_trait]
pub trait PredictionStore: Send + Sync + 'static {
    /// Makes a prediction durable. The prediction's id must be new.
    async fn create(&self, new: NewPrediction) -> Result<CreateOutcome>;

    /// Makes a transition durable: state, events, result and webhook rows in one.
    async fn commit(&self, commit: Commit) -> Result<CommitOutcome>;

    /// Records a file of a prediction, before its bytes are stored, so that retention finds it whatever happens next.
    async fn add_file(&self, file: FileRow) -> Result<()>;

    /// Forgets files that were recorded for a prediction which was not created after all.
    async fn forget_files(&self, files: &[FileId]) -> Result<()>;

    /// The prediction as it is durable now, of whatever account.
    async fn load(&self, id: PredictionId) -> Result<Option<Prediction>>;

    /// A page of predictions, newest first, with their output but without logs.
    async fn list(&self, query: &ListPredictions) -> Result<Vec<Prediction>>;

    /// The events of a prediction's stream whose number is at least `from`, at most about `limit` of them.
    async fn stream_from(&self, id: PredictionId, from: u64, limit: u32) -> Result<Option<StreamPage>>;

    /// Claims waiting predictions, oldest first: of each version as many as are wanted of it, and `limit` in all. Each gets a
    /// setup deadline of `setup_deadline`. While others claim, too, fewer may be found than there are.
    async fn claim(
        &self,
        node: &NodeEpoch,
        wanted: &[Wanted],
        limit: u32,
        setup_deadline: Timestamp,
    ) -> Result<Vec<Claimed>>;

    /// How many predictions of the same version wait before this one, counted up to [`FURTHEST_POSITION`]; `None` when it does
    /// not wait.
    async fn queue_position(&self, id: PredictionId) -> Result<Option<u64>>;

    /// Gives a claimed prediction back that has not begun: it waits in the queue again, and the run is not counted.
    async fn release(&self, id: PredictionId, lease: &Lease, deadline: Deadline) -> Result<()>;

    /// Predictions whose deadline is at or before `now`.
    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<Overdue>>;

    /// Predictions whose data is due to be removed, and to which no unsent webhook belongs.
    async fn expired_data(&self, now: Timestamp, limit: u32) -> Result<Vec<ExpiredData>>;

    /// Removes the data of these predictions: input becomes `{}`, output, logs, events and the rows of the files that are named
    /// go. A prediction with a file that is not named was given it in the meantime: only the named ones go, and the rest of its
    /// data stays due.
    async fn remove_data(&self, expired: &[ExpiredData]) -> Result<()>;

    /// Looks at up to `limit` files that follow `after` and were stored before `before`, by the time in their ids, for those whose
    /// prediction does not exist: a create that came to nothing has left them. Files are stored before their prediction is, so
    /// `before` must be far enough in the past.
    async fn unowned_files(&self, before: Timestamp, after: Option<FileId>, limit: u32) -> Result<FilePage>;

    /// Forgets idempotency keys that expired at or before `now`, at most `limit`; returns how many.
    async fn forget_idempotency_keys(&self, now: Timestamp, limit: u32) -> Result<u64>;

    /// How much work there is.
    async fn load_figures(&self) -> Result<Load>;
}
