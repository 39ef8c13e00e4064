//! A machine: its clock, and the node that runs on it, which can be killed, stopped and started again.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::link::LinkKey;
use cogwire_core::time::Clock;
use cogwire_core::trace::NoSpans;
use cogwire_core::webhook::signature::Secret;
use cogwire_core::webhook::vault::Vault;
use cogwire_core::wire::Links;
use cogwire_delivery::{Delivery, DeliveryConfig, Parts};
use cogwire_store::handoff::{self, Handoff};
use cogwire_store::{NodeEpoch, NodeLease, Result, SqliteStore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ledger::Ledger;
use super::members::Members;
use super::receivers::{Receivers, SimulatedSink};
use super::store::{DistantStore, Sky};
use super::time::{Dice, MachineClock, VirtualTime};

/// What all machines share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) time: VirtualTime,
    pub(crate) dice: Dice,
    pub(crate) ledger: Ledger,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) sky: Sky,
    pub(crate) members: Members,
    pub(crate) receivers: Receivers,
    pub(crate) secret: Secret,
    pub(crate) config: DeliveryConfig,
    /// How many lanes a node has room for.
    pub(crate) room: usize,
    pub(crate) lease: Duration,
}

/// One machine.
pub(crate) struct Machine {
    name: &'static str,
    around: Surroundings,
    pub(crate) clock: MachineClock,
    starts: u32,
    running: Option<Running>,
}

/// A node that runs.
pub(crate) struct Running {
    members: Members,
    epoch: NodeEpoch,
    handoff: Handoff,
    soft: CancellationToken,
    hard: CancellationToken,
    delivery: JoinHandle<()>,
    heart: JoinHandle<()>,
}

impl Machine {
    pub(crate) fn new(name: &'static str, around: Surroundings) -> Self {
        let clock = MachineClock::new(around.time.clone());
        Self { name, around, clock, starts: 0, running: None }
    }

    /// The node that runs here, and the way to hand lanes to it.
    pub(crate) fn node(&self) -> Option<(NodeEpoch, Handoff)> {
        self.running.as_ref().map(|running| (running.epoch.clone(), running.handoff.clone()))
    }

    /// Begins a new epoch, unless one runs.
    pub(crate) fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        self.starts += 1;
        let epoch = NodeEpoch(format!("{}.{}", self.name, self.starts).into());
        let lease = Arc::new(NodeLease::ended());
        self.around.members.join(&epoch.0, self.around.lease);
        lease.extend(self.clock.monotonic() + self.around.lease);
        let (handoff, inbox) = handoff::channel(self.around.room, Arc::clone(&lease));
        let (soft, hard, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let delivery = Delivery::new(self.around.config.clone(), self.parts(&epoch, &lease));
        let delivery = tasks.spawn(delivery.run(inbox, soft.clone(), hard.clone()));
        let heart =
            Heart { around: self.around.clone(), clock: self.clock.clone(), lease, epoch: epoch.clone() };
        let heart = tasks.spawn(heart.beat());
        let members = self.around.members.clone();
        self.running = Some(Running { members, epoch, handoff, soft, hard, delivery, heart });
    }

    /// As `kill -9` does: nothing of it runs any more, and nothing is tidied up.
    pub(crate) fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            self.around.ledger.note(self.around.time.now(), &format!("{} dies", running.epoch));
            running.heart.abort();
            running.delivery.abort();
            running.hard.cancel();
        }
    }

    /// The node that runs here, for whoever stops it in order.
    pub(crate) fn take_running(&mut self) -> Option<Running> {
        self.running.take()
    }

    fn parts(&self, epoch: &NodeEpoch, lease: &Arc<NodeLease>) -> Parts {
        let Surroundings { time, dice, ledger, store, sky, members, receivers, secret, .. } =
            self.around.clone();
        let sink = SimulatedSink {
            node: epoch.to_string(),
            machine: self.clock.clone(),
            time: time.clone(),
            dice: dice.clone(),
            ledger: ledger.clone(),
            members,
            receivers,
            secret,
        };
        let store = Arc::new(DistantStore { store, sky, machine: self.clock.clone(), ledger, time });
        Parts {
            deliveries: store.clone(),
            predictions: store.clone(),
            accounts: store,
            vault: Vault::default(),
            sink: Arc::new(sink),
            clock: Arc::new(self.clock.clone()),
            entropy: Arc::new(dice),
            spans: Arc::new(NoSpans),
            lease: Arc::clone(lease),
            links: links(),
            node: epoch.clone(),
        }
    }
}

impl Running {
    /// In order: what is on its way ends, everything else is given back.
    pub(crate) async fn stop(self) {
        self.soft.cancel();
        self.delivery.await.expect("delivery ends by itself");
        self.heart.abort();
        self.members.retire(&self.epoch.0);
    }
}

pub(crate) fn links() -> Links {
    Links::new("http://cogwire.test", LinkKey::new([1; 32]))
}

/// Keeps a node alive, and looks after those that are not.
struct Heart {
    around: Surroundings,
    clock: MachineClock,
    lease: Arc<NodeLease>,
    epoch: NodeEpoch,
}

impl Heart {
    async fn beat(self) {
        loop {
            self.clock.sleep(self.around.lease / 3).await;
            // What the store did not hear, it hears with the next beat.
            let _ = self.renew().await;
        }
    }

    async fn renew(&self) -> Result<()> {
        let Surroundings { members, lease, .. } = &self.around;
        // Asked before the store answers: the lease is never longer here than it is there.
        let asked_at = self.clock.monotonic();
        if self.ask(|| members.renew(&self.epoch.0, *lease)).await? {
            self.lease.extend(asked_at + *lease);
        } else {
            self.rejoin().await?;
        }
        self.ask(|| members.take_over(&self.epoch.0)).await
    }

    async fn rejoin(&self) -> Result<()> {
        let Surroundings { members, lease, ledger, .. } = &self.around;
        ledger.count(|tally| tally.leases_lost += 1);
        self.lease.begin_term();
        let asked_at = self.clock.monotonic();
        self.ask(|| members.join(&self.epoch.0, *lease)).await?;
        self.lease.extend(asked_at + *lease);
        Ok(())
    }

    async fn ask<T>(&self, what: impl FnOnce() -> T) -> Result<T> {
        self.around.sky.pass(&self.clock, async { Ok(what()) }).await
    }
}
