//! The real store, as a node of the simulation sees it: away at times, slow, and with answers that get lost.
//!
//! Every use case happens in SQLite, at one moment of virtual time; what takes virtual time is the way there and back. A
//! node that dies meanwhile does not hear whether it happened.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::pacing::Lane;
use cogwire_store::delivery::{
    Attempt, AttemptPlace, Backlog, BeginIntermediate, Delivery, FinishedAttempt, LaneClaim, LaneClaims,
    LaneOutcome, ListDeliveries, ResendOutcome, ResendSince, ResentSince,
};
use cogwire_store::{DeliveryStore, Error, NodeEpoch, NodeStore, Result, SqliteStore};

use super::ledger::Ledger;
use super::time::{Dice, MachineClock, VirtualTime, wait};

/// What is wrong between the nodes and their store.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    /// Of a hundred use cases, those that are refused.
    pub(crate) refused: usize,
    /// Of a hundred use cases, those that happen and whose answers are lost.
    pub(crate) lost: usize,
    /// The longest way to the store, in milliseconds, and the longest way back.
    pub(crate) way: usize,
    /// Until when the store is away.
    pub(crate) away_until: Duration,
}

/// The weather, which changes.
#[derive(Clone)]
pub(crate) struct Sky {
    weather: Arc<Mutex<Weather>>,
    dice: Dice,
    time: VirtualTime,
    ledger: Ledger,
}

impl Sky {
    pub(crate) fn new(weather: Weather, dice: Dice, time: VirtualTime, ledger: Ledger) -> Self {
        Self { weather: Arc::new(Mutex::new(weather)), dice, time, ledger }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.weather.lock().expect("nothing panics while it is locked"));
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().expect("nothing panics while it is locked")
    }

    /// The way to the store or back.
    async fn way(&self, machine: &MachineClock) {
        machine.passable().await;
        self.time.sleep(self.dice.millis(0, self.weather().way)).await;
        machine.passable().await;
    }

    /// Lets a use case happen, or not, and whoever asked hear of it, or not.
    pub(crate) async fn pass<T>(
        &self,
        machine: &MachineClock,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.way(machine).await;
        let weather = self.weather();
        let is_away = machine.is_cut_off() || self.time.now() < weather.away_until;
        if is_away || self.dice.percent(weather.refused) {
            self.way(machine).await;
            return Err(Error::Unavailable("the weather is bad".to_owned()));
        }
        let result = wait(work);
        let is_lost = self.dice.percent(weather.lost);
        self.way(machine).await;
        if is_lost {
            self.ledger.count(|tally| tally.answers_lost += 1);
            return Err(Error::Uncertain("the answer was lost".to_owned()));
        }
        result
    }
}

/// The store behind the weather.
pub(crate) struct DistantStore {
    pub(super) store: Arc<SqliteStore>,
    pub(super) sky: Sky,
    pub(super) machine: MachineClock,
    pub(super) ledger: Ledger,
    pub(super) time: VirtualTime,
}

impl DistantStore {
    pub(super) async fn pass<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.sky.pass(&self.machine, work).await
    }

    fn note(&self, what: &str) {
        self.ledger.note(self.time.now(), what);
    }

    /// Records attempts and writes into the ledger what the store says, whether or not its answer gets through.
    async fn record(&self, finished: Arc<[FinishedAttempt]>, now: Timestamp) -> Result<Vec<LaneOutcome>> {
        // Records wait for a commit that they can share: here is one that changes nothing.
        let nobody = NodeEpoch("nobody".into());
        let (recorded, _) = futures_util::join!(
            self.store.finish_attempts(finished.clone(), now),
            self.store.announce(&nobody, &[])
        );
        let outcomes = recorded?;
        self.ledger.recorded(self.time.now(), &finished, &outcomes);
        Ok(outcomes)
    }
}

#[async_trait]
impl DeliveryStore for DistantStore {
    async fn claim_lanes(&self, node: &NodeEpoch, claim: LaneClaim) -> Result<LaneClaims> {
        let claimed = async {
            let claims = self.store.claim_lanes(node, claim).await?;
            for lane in &claims.lanes {
                self.note(&format!("{node} claims {} {}", lane.prediction, lane.lease_no));
            }
            Ok(claims)
        };
        self.pass(claimed).await
    }

    async fn begin_intermediate(&self, begin: BeginIntermediate) -> Result<bool> {
        self.pass(self.store.begin_intermediate(begin)).await
    }

    async fn finish_attempts(
        &self,
        finished: Arc<[FinishedAttempt]>,
        now: Timestamp,
    ) -> Result<Vec<LaneOutcome>> {
        self.pass(self.record(finished, now)).await
    }

    async fn release_lanes(&self, node: &NodeEpoch, lanes: &[(PredictionId, u64)]) -> Result<()> {
        let released = async {
            // What waited in memory comes back in no particular order.
            let mut sorted = lanes.to_vec();
            sorted.sort_unstable();
            for (prediction, lease_no) in sorted {
                self.note(&format!("{node} gives {prediction} {lease_no} back"));
            }
            self.store.release_lanes(node, lanes).await
        };
        self.pass(released).await
    }

    async fn held_lanes(&self, node: &NodeEpoch) -> Result<Vec<(PredictionId, u64)>> {
        self.pass(self.store.held_lanes(node)).await
    }

    async fn deliveries(&self, prediction: PredictionId) -> Result<Vec<Delivery>> {
        self.pass(self.store.deliveries(prediction)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>> {
        self.pass(self.store.delivery(id)).await
    }

    async fn list_deliveries(&self, query: &ListDeliveries) -> Result<Vec<Delivery>> {
        self.pass(self.store.list_deliveries(query)).await
    }

    async fn lane(&self, prediction: PredictionId) -> Result<Option<Lane>> {
        self.pass(self.store.lane(prediction)).await
    }

    async fn resend(&self, id: DeliveryId, now: Timestamp) -> Result<ResendOutcome> {
        self.pass(self.store.resend(id, now)).await
    }

    async fn resend_since(&self, wanted: &ResendSince, now: Timestamp) -> Result<ResentSince> {
        self.pass(self.store.resend_since(wanted, now)).await
    }

    async fn sweep_deliveries(&self, cutoff: Timestamp, limit: u32) -> Result<u64> {
        self.pass(self.store.sweep_deliveries(cutoff, limit)).await
    }

    async fn sweep_reports(
        &self,
        cutoff: Timestamp,
        after: Option<AttemptPlace>,
        limit: u32,
    ) -> Result<Option<AttemptPlace>> {
        self.pass(self.store.sweep_reports(cutoff, after, limit)).await
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog> {
        self.pass(self.store.backlog(now)).await
    }
}
