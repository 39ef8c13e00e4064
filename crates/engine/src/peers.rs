//! The other nodes: telling them what happened here, and heeding what they tell.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cogwire_core::id::VersionId;
use cogwire_core::time::Timestamp;
use cogwire_store as store;
use cogwire_store::Signal;
use tokio_util::sync::CancellationToken;

use crate::hub::Durable;
use crate::{Engine, Shared};

/// How old the knowledge of what the other nodes run may be when a caller is told about it.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// What is known about the other nodes.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    count: AtomicU32,
    /// What any live node runs, and when that was asked.
    served: Mutex<Option<(Timestamp, Arc<HashSet<VersionId>>)>>,
}

impl Peers {
    pub(crate) fn set(&self, count: u32) {
        self.count.store(count, Ordering::Relaxed);
        metrics::gauge!("cogwire_nodes").set(f64::from(count) + 1.0);
    }

    fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    fn served_at(&self, now: Timestamp) -> Option<Arc<HashSet<VersionId>>> {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, versions) = served.as_ref()?;
        // An answer from the future was given before the clock was set back.
        let fresh = *at <= now && now.since(*at) < KNOWN_FOR;
        fresh.then(|| Arc::clone(versions))
    }
}

impl Engine {
    /// Whether any live node runs this version, as far as that was known a second ago.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn is_served(&self, version: &VersionId) -> store::Result<bool> {
        self.0.is_served(version).await
    }
}

impl Shared {
    /// The versions that this node runs.
    pub(crate) fn served_here(&self) -> Vec<VersionId> {
        if self.config.runs { self.runner.versions() } else { Vec::new() }
    }

    pub(crate) async fn is_served(&self, version: &VersionId) -> store::Result<bool> {
        if self.config.runs && self.runner.serves(version) {
            return Ok(true);
        }
        let now = self.clock.now();
        if let Some(known) = self.peers.served_at(now) {
            return Ok(known.contains(version));
        }
        let nodes = self.store.live_nodes(now).await?;
        let served: HashSet<VersionId> = nodes.into_iter().flat_map(|node| node.versions).collect();
        let found = served.contains(version);
        *self.peers.served.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::new(served)));
        Ok(found)
    }

    /// Tells the other nodes, if there are any.
    pub(crate) fn tell(&self, signal: Signal) {
        if self.peers.any() {
            self.store.signal(signal);
        }
    }

    /// A prediction waits for a node that runs it.
    pub(crate) fn announce_queued(&self) {
        self.look_for_work();
        self.tell(Signal::Queued);
    }

    /// Something may be waiting that this node runs.
    fn look_for_work(&self) {
        self.backlog.expect_anything();
        self.work.notify_one();
    }

    /// A free lane is due then. A node that delivers sees to it itself.
    pub(crate) fn announce_lane(&self, at: Timestamp) {
        match &self.handoff {
            Some(handoff) => handoff.wake_at(at),
            None => self.tell(Signal::LaneDue(at)),
        }
    }

    /// Heeds what the other nodes tell, until `stop`.
    pub(crate) async fn listen(self: Arc<Self>, stop: CancellationToken) {
        while let Some(signal) = stop.run_until_cancelled(self.store.next_signal()).await {
            self.heed(signal);
        }
    }

    fn heed(&self, signal: Signal) {
        match signal {
            Signal::Progress { prediction, events, ended } => {
                self.hub.publish(prediction, Durable { events, ended });
                if ended {
                    self.stop_run(prediction);
                }
            }
            Signal::Queued => self.look_for_work(),
            Signal::LaneDue(at) => self.wake_sender(at),
            Signal::Nodes => self.heart.notify_one(),
            Signal::Missed => {
                self.hub.wake_all();
                self.look_for_work();
                self.wake_sender(self.clock.now());
                self.heart.notify_one();
            }
        }
    }
}
