//! Webhooks in SQLite.

mod begin;
mod claim;
mod event;
mod finish;
mod lane;
pub(super) mod owe;
mod read;
mod report;
mod resend;

use std::sync::Arc;

use async_trait::async_trait;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::pacing::Lane;

use self::claim::Candidates;
use self::resend::Exhausted;
use super::SqliteStore;
use super::writer::Class;
use crate::delivery::{
    Attempt, AttemptPlace, Backlog, BeginIntermediate, Delivery, DeliveryStore, FinishedAttempt, LaneClaim,
    LaneClaims, LaneOutcome, ListDeliveries, ResendOutcome, ResendSince, ResentSince,
};
use crate::error::Result;
use crate::event::{EventCursor, EventRow, EventStore};
use crate::node::NodeEpoch;

#[cfg(test)]
pub(super) use self::{
    claim::NEXT_ORIGIN, claim::OF_ORIGIN, event::INSERT as INSERT_EVENT, event::LATEST as LATEST_EVENT,
    event::PAGE as EVENTS, read::BACKLOG, report::PAGE as REPORTS, resend::EXHAUSTED, resend::OLD,
};

#[async_trait]
impl DeliveryStore for SqliteStore {
    async fn claim_lanes(&self, node: &NodeEpoch, claim: LaneClaim) -> Result<LaneClaims> {
        let (after, now) = (claim.after.clone(), claim.now);
        let Candidates { lanes, next_due, stopped } = self.read(move |db| claim::choose(db, &claim)).await?;
        let taken = if lanes.is_empty() {
            Vec::new()
        } else {
            let node = node.clone();
            self.write(Class::Critical, move |batch| claim::take(batch.db, &node, &lanes, now)).await?
        };
        Ok(LaneClaims::of(taken, next_due, after, stopped))
    }

    async fn begin_intermediate(&self, begin: BeginIntermediate) -> Result<bool> {
        self.write(Class::Critical, move |batch| begin::begin_intermediate(batch.db, &begin)).await
    }

    async fn finish_attempts(
        &self,
        finished: Arc<[FinishedAttempt]>,
        now: Timestamp,
    ) -> Result<Vec<LaneOutcome>> {
        // A lane whose intermediate message has ended may owe the next one; after a final message nobody waits.
        let class = if finished.iter().all(|one| one.is_final) { Class::Patient } else { Class::Critical };
        self.write(class, move |batch| finish::finish_attempts(batch.db, &finished, now)).await
    }

    async fn release_lanes(&self, node: &NodeEpoch, lanes: &[(PredictionId, u64)]) -> Result<()> {
        let (node, lanes) = (node.clone(), lanes.to_vec());
        self.write(Class::Critical, move |batch| finish::release_lanes(batch.db, &node, &lanes)).await
    }

    async fn held_lanes(&self, node: &NodeEpoch) -> Result<Vec<(PredictionId, u64)>> {
        let node = node.clone();
        self.read(move |db| lane::held_by(db, &node)).await
    }

    async fn deliveries(&self, prediction: PredictionId) -> Result<Vec<Delivery>> {
        self.read(move |db| read::deliveries(db, prediction)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>> {
        self.read(move |db| read::delivery(db, id)).await
    }

    async fn list_deliveries(&self, query: &ListDeliveries) -> Result<Vec<Delivery>> {
        let query = query.clone();
        self.read(move |db| read::list(db, &query)).await
    }

    async fn lane(&self, prediction: PredictionId) -> Result<Option<Lane>> {
        self.read(move |db| Ok(lane::find(db, prediction)?.map(|row| row.lane))).await
    }

    async fn resend(&self, id: DeliveryId, now: Timestamp) -> Result<ResendOutcome> {
        self.write(Class::Api, move |batch| resend::resend(batch.db, id, now)).await
    }

    async fn resend_since(&self, wanted: &ResendSince, now: Timestamp) -> Result<ResentSince> {
        let wanted = wanted.clone();
        let Exhausted { since, next } = self.read(move |db| resend::exhausted(db, &wanted)).await?;
        let queued = match since.is_empty() {
            true => 0,
            false => {
                self.write(Class::Api, move |batch| resend::resend_exhausted(batch.db, &since, now)).await?
            }
        };
        Ok(ResentSince { queued, next })
    }

    async fn sweep_deliveries(&self, cutoff: Timestamp, limit: u32) -> Result<u64> {
        self.write(Class::Background, move |batch| resend::sweep(batch.db, cutoff, limit)).await
    }

    async fn sweep_reports(
        &self,
        cutoff: Timestamp,
        after: Option<AttemptPlace>,
        limit: u32,
    ) -> Result<Option<AttemptPlace>> {
        let page = self.read(move |db| report::page(db, cutoff, after, limit)).await?;
        if !page.old.is_empty() {
            self.write(Class::Background, move |batch| report::forget(batch.db, &page.old)).await?;
        }
        Ok(page.next)
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog> {
        self.read(move |db| read::backlog(db, now)).await
    }
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn events(
        &self,
        account: &AccountId,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<Vec<EventRow>> {
        let account = account.clone();
        self.read(move |db| event::page(db, &account, after, limit)).await
    }

    async fn latest_event(&self, account: &AccountId) -> Result<Option<EventCursor>> {
        let account = account.clone();
        self.read(move |db| event::latest(db, &account)).await
    }

    async fn last_gone_event(&self, account: &AccountId) -> Result<Option<EventCursor>> {
        let account = account.clone();
        self.read(move |db| event::last_gone(db, &account)).await
    }
}
