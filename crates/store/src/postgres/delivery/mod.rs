//! Webhooks in PostgreSQL.
//!
//! Rows are locked in one order everywhere: `live`, `lane`, `delivery`, `attempt`, and in each by their keys. What is decided
//! about a lane is decided in [`crate::lane`].

mod attempt;
pub(super) mod begin;
mod claim;
mod event;
mod finish;
pub(super) mod lane;
pub(super) mod message;
pub(super) mod owe;
mod read;
mod release;
mod report;
mod resend;
#[cfg(all(test, feature = "contract"))]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::pacing::Lane;

use super::PostgresStore;
use super::database::{Class, Repeat};
use crate::delivery::{
    Attempt, AttemptPlace, Backlog, BeginIntermediate, Delivery, DeliveryStore, FinishedAttempt, LaneClaim,
    LaneClaims, LaneOutcome, ListDeliveries, ResendOutcome, ResendSince, ResentSince,
};
use crate::error::Result;
use crate::event::{EventCursor, EventRow, EventStore};
use crate::node::NodeEpoch;

#[cfg(all(test, feature = "contract"))]
pub(super) use self::{
    attempt::RECORDED, claim::CLAIM as CLAIM_LANES, claim::CLAIM_OF_ORIGIN as CLAIM_LANES_OF_ORIGIN,
    event::LATEST as LATEST_EVENT, event::PAGE as EVENTS, finish::SETTLE, lane::LOCK as LOCK_LANES,
    lane::UPDATE as UPDATE_LANES, message::BODIES, message::LOCK as LOCK_MESSAGES,
    message::UPDATE as UPDATE_MESSAGES, release::INTERRUPT, report::SWEEP as SWEEP_REPORTS,
    resend::EXHAUSTED, resend::LOCK_SENT, resend::SET_PENDING, resend::SWEEP,
};

#[async_trait]
impl DeliveryStore for PostgresStore {
    /// Lanes whose claim was written and whose answer was lost are held by a node that does not know of them; it finds them in
    /// [`DeliveryStore::held_lanes`].
    async fn claim_lanes(&self, node: &NodeEpoch, claim: LaneClaim) -> Result<LaneClaims> {
        self.database.write(Class::Work, Repeat::Safe, |db| claim::claim(db, node, &claim)).await
    }

    async fn begin_intermediate(&self, begin: BeginIntermediate) -> Result<bool> {
        self.begins.submit(begin).await
    }

    async fn finish_attempts(
        &self,
        finished: Arc<[FinishedAttempt]>,
        now: Timestamp,
    ) -> Result<Vec<LaneOutcome>> {
        finish::finish_attempts(&self.database, &finished, now).await
    }

    async fn release_lanes(&self, node: &NodeEpoch, lanes: &[(PredictionId, u64)]) -> Result<()> {
        let release = |db| release::release_lanes(db, node, lanes);
        self.database.work(Class::Work, Repeat::Safe, release).await
    }

    async fn held_lanes(&self, node: &NodeEpoch) -> Result<Vec<(PredictionId, u64)>> {
        self.database.read(Class::Work, |db| lane::held_by(db, node)).await
    }

    async fn deliveries(&self, prediction: PredictionId) -> Result<Vec<Delivery>> {
        self.database.read(Class::Api, |db| read::deliveries(db, prediction)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>> {
        self.database.snapshot(Class::Api, |db| read::delivery(db, id)).await
    }

    async fn list_deliveries(&self, query: &ListDeliveries) -> Result<Vec<Delivery>> {
        self.database.read(Class::Api, |db| read::list(db, query)).await
    }

    async fn lane(&self, prediction: PredictionId) -> Result<Option<Lane>> {
        self.database.read(Class::Api, |db| lane::find(db, prediction)).await
    }

    /// A repeated one finds the message pending, and that is what its caller is told: it is on its way either way.
    async fn resend(&self, id: DeliveryId, now: Timestamp) -> Result<ResendOutcome> {
        self.database.work(Class::Api, Repeat::Safe, |db| resend::resend(db, id, now)).await
    }

    /// A repeated one finds those of the first try pending, and counts only the others.
    async fn resend_since(&self, wanted: &ResendSince, now: Timestamp) -> Result<ResentSince> {
        self.database.work(Class::Api, Repeat::Safe, |db| resend::resend_since(db, wanted, now)).await
    }

    async fn sweep_deliveries(&self, cutoff: Timestamp, limit: u32) -> Result<u64> {
        self.database.write(Class::Work, Repeat::Safe, |db| resend::sweep(db, cutoff, limit)).await
    }

    async fn sweep_reports(
        &self,
        cutoff: Timestamp,
        after: Option<AttemptPlace>,
        limit: u32,
    ) -> Result<Option<AttemptPlace>> {
        let sweep = |db| report::sweep(db, cutoff, after, limit);
        self.database.write(Class::Work, Repeat::Safe, sweep).await
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog> {
        self.database.read(Class::Api, |db| read::backlog(db, now)).await
    }
}

#[async_trait]
impl EventStore for PostgresStore {
    async fn events(
        &self,
        account: &AccountId,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<Vec<EventRow>> {
        self.database.read(Class::Api, |db| event::page(db, account, after, limit)).await
    }

    async fn latest_event(&self, account: &AccountId) -> Result<Option<EventCursor>> {
        self.database.read(Class::Api, |db| event::latest(db, account)).await
    }

    async fn last_gone_event(&self, account: &AccountId) -> Result<Option<EventCursor>> {
        self.database.read(Class::Api, |db| event::last_gone(db, account)).await
    }
}
