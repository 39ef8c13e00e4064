//! Nodes: the processes that share a store, and what each of them holds.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cogwire_core::id::{InvalidId, PredictionId, VersionId};
use cogwire_core::time::Timestamp;

use crate::error::Result;

/// One run of one node. Every start makes a new epoch, so what an earlier run held is recognised as lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeEpoch(pub Arc<str>);

impl fmt::Display for NodeEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Which run of it.
    pub epoch: NodeEpoch,
    /// What it does, in words for people, such as `api run`.
    pub roles: String,
    /// The versions that it runs.
    pub versions: Vec<VersionId>,
}

/// What became of extending a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It lasts as long as was asked.
    Renewed {
        /// How many other nodes are alive.
        peers: u32,
    },
    /// The epoch has been given up, and what it held is free or somebody else's: the node must stop what it does on account of
    /// it, and join again.
    GivenUp,
}

/// What to do with the work of nodes that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeOver {
    /// Nodes whose leases ended before are given up.
    pub leases_ended_before: Timestamp,
    /// Predictions that were begun more often than this are lost.
    pub max_runs: u32,
    /// The deadline of predictions that wait again, unless their own limit comes first.
    pub queue_deadline: Timestamp,
    /// The most lost runs to return.
    pub limit: u32,
}

/// A prediction that a node holds, as the store knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldRun {
    /// The prediction.
    pub id: PredictionId,
    /// The fence of the hold.
    pub lease_no: u64,
    /// Whether any of its events is durable.
    pub showed_life: bool,
}

/// What became of the work of nodes that are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Predictions none of whose events is durable: they wait in the queue again.
    pub requeued: u64,
    /// Trainings, and predictions that had shown signs of life or were begun too often: the caller must end each of them.
    pub lost: Vec<LostRun>,
    /// Lanes that wait to be sent again.
    pub lanes: u64,
}

/// A prediction whose run is lost and cannot be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostRun {
    /// The prediction.
    pub id: PredictionId,
    /// How often it had been begun.
    pub runs: u32,
    /// Whether any of its events is durable. When none is, it is a training, or was begun more than the allowed number of times.
    pub showed_life: bool,
}

/// Versions as one text, as the stores keep them.
pub(crate) fn encode_versions(versions: &[VersionId]) -> String {
    versions.iter().map(VersionId::as_str).collect::<Vec<_>>().join(" ")
}

/// The versions in such a text.
pub(crate) fn decode_versions(text: &str) -> std::result::Result<Vec<VersionId>, InvalidId> {
    text.split_whitespace().map(str::parse).collect()
}

/// The use cases of being a node.
#[async_trait]
pub trait NodeStore: Send + Sync + 'static {
    /// Begins an epoch, whose lease lasts until `lease_until`. A store that only one process can use ends all older epochs
    /// with it.
    async fn register_node(&self, node: &Node, lease_until: Timestamp) -> Result<()>;

    /// Extends the lease, until then at least.
    async fn renew_node(&self, node: &NodeEpoch, now: Timestamp, lease_until: Timestamp) -> Result<Renewal>;

    /// Replaces the versions that a node runs. Nothing happens when the epoch has been given up.
    async fn announce(&self, node: &NodeEpoch, versions: &[VersionId]) -> Result<()>;

    /// Ends the epoch at once, in an orderly stop: what it holds can be taken over without waiting.
    async fn retire_node(&self, node: &NodeEpoch) -> Result<()>;

    /// Ends the epochs whose lease is over, and takes predictions and lanes from epochs that have ended. Predictions without a
    /// durable event and begun at most `max_runs` times wait again; the others are claimed for `node` and returned, at most
    /// `limit`. Trainings are among the others, however silent they were: they cost too much to be done twice unasked.
    async fn take_over(&self, node: &NodeEpoch, how: TakeOver) -> Result<TakenOver>;

    /// The predictions that the store takes this node to run.
    async fn held_runs(&self, node: &NodeEpoch) -> Result<Vec<HeldRun>>;

    /// The nodes whose lease lasts at `now`, in no particular order.
    async fn live_nodes(&self, now: Timestamp) -> Result<Vec<Node>>;

    /// The store's own time, when it has a clock that all nodes share.
    async fn server_time(&self) -> Result<Option<Timestamp>>;

    /// Whether the store answers and can write.
    async fn check(&self) -> Result<()>;
}
