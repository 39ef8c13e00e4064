//! Being one of the nodes that share a store: joining, staying, noticing that one was given up, and looking after what
//! nodes that are gone have left.
//!
//! A node that was paused learns here that its work is somebody else's by now. It stops what it does and joins again; what
//! it held is fenced in the store, so whatever it still tries is refused.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::model::Version;
use cogwire_core::prediction::{Event, Loss, State};
use cogwire_core::time::Timestamp;
use cogwire_store as store;
use cogwire_store::Signal;
use cogwire_store::catalog::NewVersion;
use cogwire_store::lease::Standing;
use cogwire_store::node::{HeldRun, Node, Renewal, TakeOver};
use cogwire_store::prediction::Lease;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::driver::Round;
use crate::sweeps::{BATCH, more_if};

/// A run that the store takes this node to hold, and that does not run here: its prediction and fence.
type Stray = (PredictionId, u64);

impl Shared {
    /// Becomes a node, and registers the models that it runs.
    pub(crate) async fn join(&self) -> store::Result<()> {
        let asked_at = self.clock.monotonic();
        let node = Node { epoch: self.node.clone(), roles: self.roles.clone(), versions: self.served_here() };
        self.store.register_node(&node, self.clock.now() + self.config.lease).await?;
        self.wait_for_others(asked_at);
        self.lease.extend(asked_at + self.config.lease);
        self.store.signal(Signal::Nodes);
        Ok(())
    }

    /// Gives up no other node for a while: when this one was cut off, the others may have been as well, and their leases are
    /// over only because nobody could extend any. Each of them has the time for a heartbeat.
    fn wait_for_others(&self, now: Duration) {
        *self.gives_up_from.lock().unwrap_or_else(PoisonError::into_inner) = now + self.config.lease * 2 / 3;
    }

    fn may_give_up(&self) -> bool {
        let from = *self.gives_up_from.lock().unwrap_or_else(PoisonError::into_inner);
        self.clock.monotonic() >= from
    }

    pub(crate) async fn register_models(&self) -> store::Result<()> {
        if !self.config.runs {
            return Ok(());
        }
        let now = self.clock.now();
        let mut versions = Vec::new();
        // The store makes the last one the latest; the runner names the latest first.
        for entry in self.runner.catalogue().into_iter().rev() {
            versions.extend(entry.versions.iter().rev().map(|id| NewVersion {
                version: Version {
                    id: id.clone(),
                    model: entry.model.clone(),
                    created_at: now,
                    cog_version: entry.cog_version.clone(),
                    openapi_schema: entry.openapi_schema.clone(),
                    recipe: None,
                },
                description: entry.description.clone(),
            }));
        }
        self.store.register(versions, now).await
    }

    /// Extends this node's lease, and takes over from nodes whose lease has ended.
    pub(crate) async fn beat(&self) -> store::Result<Round> {
        // Asked before the store answers: the lease is never longer here than it is there.
        let asked_at = self.clock.monotonic();
        let now = self.clock.now();
        match self.store.renew_node(&self.node, now, now + self.config.lease).await? {
            Renewal::Renewed { peers } => {
                if self.lease.standing(self.lease.term(), asked_at) != Standing::Holds {
                    self.wait_for_others(asked_at);
                }
                self.lease.extend(asked_at + self.config.lease);
                self.peers.set(peers);
            }
            Renewal::GivenUp => self.rejoin().await?,
        }
        self.look_after_runs().await?;
        self.take_over().await
    }

    async fn rejoin(&self) -> store::Result<()> {
        tracing::error!(node = %self.node, "this node's lease has ended and its work was given to others: its runs are stopped");
        metrics::counter!("cogwire_node_lease_lost_total").increment(1);
        self.lease.begin_term();
        self.lock_running().values().for_each(CancellationToken::cancel);
        self.join().await
    }

    /// Ends or frees what nodes that are gone have held.
    pub(crate) async fn take_over(&self) -> store::Result<Round> {
        let now = self.clock.now();
        let how = TakeOver {
            leases_ended_before: if self.may_give_up() { now } else { Timestamp::from_micros(i64::MIN) },
            max_runs: self.config.max_runs,
            queue_deadline: now + self.config.limits.queue,
            limit: BATCH,
        };
        let taken = self.store.take_over(&self.node, how).await?;
        for run in &taken.lost {
            let was_tried_again = !run.showed_life && run.runs > how.max_runs;
            let loss = if was_tried_again { Loss::RunsExhausted(run.runs) } else { Loss::Interrupted };
            self.end_or_log(run.id, Event::Lost(loss)).await?;
        }
        if taken.requeued > 0 {
            tracing::info!(requeued = taken.requeued, "predictions of a node that is gone wait again");
            self.announce_queued();
        }
        if taken.lanes > 0 {
            self.announce_lane(now);
        }
        Ok(more_if(taken.lost.len() as u64, BATCH))
    }

    /// Compares what runs here with what the store takes this node to run. The two part when an answer of the store is lost,
    /// and when another node ends a prediction without the signal arriving.
    async fn look_after_runs(&self) -> store::Result<()> {
        // Looked at before the store is asked: what begins in between is not yet known there as far as this goes.
        let running: Vec<PredictionId> = self.lock_running().keys().copied().collect();
        let held = self.store.held_runs(&self.node).await?;
        let known: HashSet<PredictionId> = held.iter().map(|run| run.id).collect();
        running.iter().filter(|id| !known.contains(id)).for_each(|id| self.stop_run(*id));
        for run in self.stray_twice(held) {
            self.give_back(run).await?;
        }
        Ok(())
    }

    /// The runs that are nowhere in memory for the second time: a claim that is on its way between store and memory is seen
    /// once at most.
    fn stray_twice(&self, mut held: Vec<HeldRun>) -> Vec<HeldRun> {
        let running = self.lock_running();
        held.retain(|run| !running.contains_key(&run.id));
        drop(running);
        let now: HashSet<Stray> = held.iter().map(|run| (run.id, run.lease_no)).collect();
        let before = std::mem::replace(&mut *self.lock_strays(), now);
        held.retain(|run| before.contains(&(run.id, run.lease_no)));
        held
    }

    async fn give_back(&self, run: HeldRun) -> store::Result<()> {
        tracing::warn!(prediction_id = %run.id, "a prediction was held here without running; it is given back");
        if run.showed_life {
            return self.end_or_log(run.id, Event::Lost(Loss::Interrupted)).await;
        }
        let Some(prediction) = self.store.load(run.id).await? else { return Ok(()) };
        let limits = self.config.limits;
        if let Some(deadline) = limits.deadline(&prediction.request, &State::Starting, None) {
            let lease = Lease { node: self.node.clone(), lease_no: run.lease_no };
            self.store.release(run.id, &lease, deadline).await?;
            self.announce_queued();
        }
        Ok(())
    }
}
