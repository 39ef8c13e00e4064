//! Delivery as a whole: takes lanes, sends what is due, records what came of it.
//!
//! One loop owns which lanes are held, which wait and which are on their way; the attempts themselves are tasks that report
//! back to it. At most one claim, one recording and one release are under way at any time, so whatever arrives meanwhile
//! becomes the next batch.

mod alarm;
mod audit;
mod desk;
mod gate;
mod look;
mod origins;
mod pending;
mod search;
mod steps;
mod work;

use std::sync::Arc;

use cogwire_core::time::{Clock, Entropy};
use cogwire_core::trace::Spans;
use cogwire_core::webhook::vault::Vault;
use cogwire_core::wire::Links;
use cogwire_store::handoff::LaneInbox;
use cogwire_store::{AccountStore, DeliveryStore, NodeEpoch, NodeLease, PredictionStore};
use tokio_util::sync::CancellationToken;

use crate::attempt::Sender;
use crate::config::DeliveryConfig;
use crate::secrets::Secrets;
use crate::sink::Sink;
use work::Work;

/// What delivery needs from the rest of the process.
#[derive(Clone)]
pub struct Parts {
    /// What is owed, and what came of it.
    pub deliveries: Arc<dyn DeliveryStore>,
    /// What intermediate messages show.
    pub predictions: Arc<dyn PredictionStore>,
    /// What signs.
    pub accounts: Arc<dyn AccountStore>,
    /// What opens them.
    pub vault: Vault,
    /// What sends.
    pub sink: Arc<dyn Sink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Where the spans of attempts go.
    pub spans: Arc<dyn Spans>,
    /// The node's lease.
    pub lease: Arc<NodeLease>,
    /// The URLs in intermediate messages.
    pub links: Links,
    /// This node.
    pub node: NodeEpoch,
}

/// Sends webhooks until it is told to stop.
pub struct Delivery {
    config: DeliveryConfig,
    parts: Parts,
}

impl Delivery {
    /// Nothing happens before [`Delivery::run`].
    pub fn new(config: DeliveryConfig, parts: Parts) -> Self {
        Self { config, parts }
    }

    /// Sends what arrives at `inbox` and what is due in the store.
    ///
    /// After `soft` nothing is begun any more: requests that are on their way end and are recorded, everything else is given
    /// back. After `hard` they are dropped as well. When the future is ready, nothing of it runs any more and the sink is
    /// closed.
    pub async fn run(self, inbox: LaneInbox, soft: CancellationToken, hard: CancellationToken) {
        let sink = Arc::clone(&self.parts.sink);
        Work::new(self.config, self.parts, inbox, hard).run(soft).await;
        sink.close().await;
    }
}

fn sender(config: DeliveryConfig, parts: Parts) -> Sender {
    Sender {
        secrets: Secrets::new(parts.accounts, parts.vault, config.secrets_max_age),
        config,
        predictions: parts.predictions,
        deliveries: parts.deliveries,
        sink: parts.sink,
        clock: parts.clock,
        entropy: parts.entropy,
        spans: parts.spans,
        lease: parts.lease,
        links: parts.links,
        node: parts.node,
    }
}
