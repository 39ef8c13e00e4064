//! Nodes: the processes that share a store, and what each of them holds.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cogwire_core::id::PredictionId;
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

/// What became of the work of nodes that are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Predictions none of whose events is durable: they wait in the queue again.
    pub requeued: u64,
    /// Predictions that had shown signs of life, or were begun too often: the caller must end each of them.
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
    /// Whether any of its events is durable. When none is, it was begun more than the allowed number of times.
    pub showed_life: bool,
}

/// The use cases of being a node.
#[async_trait]
pub trait NodeStore: Send + Sync + 'static {
    /// Begins an epoch, whose lease lasts until `lease_until`. A store that only one process can use ends all older epochs
    /// with it.
    async fn register_node(&self, node: &NodeEpoch, now: Timestamp, lease_until: Timestamp) -> Result<()>;

    /// Extends the lease. `false` when the epoch has been taken over: the node must stop what it holds.
    async fn renew_node(&self, node: &NodeEpoch, lease_until: Timestamp) -> Result<bool>;

    /// Ends the epoch at once, in an orderly stop: what it holds can be taken over without waiting.
    async fn retire_node(&self, node: &NodeEpoch) -> Result<()>;

    /// Takes predictions and lanes from epochs whose lease ended before `now`. Predictions without a durable event and
    /// begun at most `max_runs` times wait again; the others are claimed for `node` and returned, at most `limit`.
    async fn take_over(
        &self,
        node: &NodeEpoch,
        now: Timestamp,
        max_runs: u32,
        limit: u32,
    ) -> Result<TakenOver>;

    /// Whether the store answers and can write.
    async fn check(&self) -> Result<()>;
}
