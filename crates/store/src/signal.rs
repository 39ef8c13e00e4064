//! Wake-ups between the nodes that share a store.
//!
//! A signal carries no data and proves nothing: it says where to look. Any of them may be lost, so whoever waits for one
//! also looks by itself from time to time.

use async_trait::async_trait;
use cogwire_core::id::PredictionId;
use cogwire_core::time::Timestamp;

/// What a node tells the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A prediction is durable up to here.
    Progress {
        /// The prediction.
        prediction: PredictionId,
        /// The number after its last durable event.
        events: u64,
        /// Whether it has ended.
        ended: bool,
    },
    /// A prediction waits for a node that runs it.
    Queued,
    /// A free lane is due then.
    LaneDue(Timestamp),
    /// A node has joined, or has left.
    Nodes,
    /// Signals may have been lost: look everywhere.
    Missed,
}

/// The signals of the nodes that share a store.
#[async_trait]
pub trait SignalStore: Send + Sync + 'static {
    /// Tells the other nodes, soon and without waiting for it. A node does not hear itself.
    fn signal(&self, signal: Signal);

    /// The next signal of another node; for ever pending where there is none. At most one caller at a time. Nothing is lost
    /// when the future is dropped.
    async fn next_signal(&self) -> Signal;
}
