//! A store that can be told to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::pacing::Lane;
use cogwire_store::delivery::{
    Attempt, AttemptPlace, Backlog, BeginIntermediate, Delivery, FinishedAttempt, LaneClaim, LaneClaims,
    LaneOutcome, ListDeliveries, ResendOutcome, ResendSince, ResentSince,
};
use cogwire_store::{DeliveryStore, Error, NodeEpoch, Result, SqliteStore};

/// Passes everything on, unless it is told to fail.
pub(crate) struct Flaky {
    store: Arc<SqliteStore>,
    failing: AtomicBool,
    failures: AtomicUsize,
}

impl Flaky {
    pub(crate) fn new(store: Arc<SqliteStore>) -> Self {
        Self { store, failing: AtomicBool::new(false), failures: AtomicUsize::new(0) }
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    /// How often it has failed.
    pub(crate) fn failures(&self) -> usize {
        self.failures.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<()> {
        if !self.failing.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.failures.fetch_add(1, Ordering::SeqCst);
        Err(Error::Unavailable("the disk is full".to_owned()))
    }
}

#[async_trait]
impl DeliveryStore for Flaky {
    async fn claim_lanes(&self, node: &NodeEpoch, claim: LaneClaim) -> Result<LaneClaims> {
        self.store.claim_lanes(node, claim).await
    }

    async fn held_lanes(&self, node: &NodeEpoch) -> Result<Vec<(PredictionId, u64)>> {
        self.store.held_lanes(node).await
    }

    async fn begin_intermediate(&self, begin: BeginIntermediate) -> Result<bool> {
        self.check()?;
        self.store.begin_intermediate(begin).await
    }

    async fn finish_attempts(
        &self,
        finished: Arc<[FinishedAttempt]>,
        now: Timestamp,
    ) -> Result<Vec<LaneOutcome>> {
        self.check()?;
        self.store.finish_attempts(finished, now).await
    }

    async fn release_lanes(&self, node: &NodeEpoch, lanes: &[(PredictionId, u64)]) -> Result<()> {
        self.check()?;
        self.store.release_lanes(node, lanes).await
    }

    async fn deliveries(&self, prediction: PredictionId) -> Result<Vec<Delivery>> {
        self.store.deliveries(prediction).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>> {
        self.store.delivery(id).await
    }

    async fn list_deliveries(&self, query: &ListDeliveries) -> Result<Vec<Delivery>> {
        self.store.list_deliveries(query).await
    }

    async fn lane(&self, prediction: PredictionId) -> Result<Option<Lane>> {
        self.store.lane(prediction).await
    }

    async fn resend(&self, id: DeliveryId, now: Timestamp) -> Result<ResendOutcome> {
        self.store.resend(id, now).await
    }

    async fn resend_since(&self, wanted: &ResendSince, now: Timestamp) -> Result<ResentSince> {
        self.store.resend_since(wanted, now).await
    }

    async fn sweep_deliveries(&self, cutoff: Timestamp, limit: u32) -> Result<u64> {
        self.store.sweep_deliveries(cutoff, limit).await
    }

    async fn sweep_reports(
        &self,
        cutoff: Timestamp,
        after: Option<AttemptPlace>,
        limit: u32,
    ) -> Result<Option<AttemptPlace>> {
        self.store.sweep_reports(cutoff, after, limit).await
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog> {
        self.store.backlog(now).await
    }
}
