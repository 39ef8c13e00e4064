//! Predictions in SQLite.

mod claim;
mod commit;
mod create;
mod read;
mod retention;
mod stream;

use async_trait::async_trait;
use cogwire_core::id::{FileId, PredictionId};
use cogwire_core::prediction::{Deadline, Prediction};
use cogwire_core::time::Timestamp;

use super::SqliteStore;
use super::writer::Class;
use crate::change::Change;
use crate::error::Result;
use crate::node::NodeEpoch;
use crate::prediction::{
    Claimed, Commit, CommitOutcome, CreateOutcome, ExpiredData, FilePage, FileRow, Lease, ListPredictions,
    Load, NewPrediction, Overdue, PredictionStore, StreamPage, Wanted,
};

#[cfg(test)]
pub(super) use self::{
    claim::OVERDUE, claim::POSITION, claim::WAITING, retention::EXPIRED, retention::FILES,
};

#[async_trait]
impl PredictionStore for SqliteStore {
    async fn create(&self, new: NewPrediction) -> Result<CreateOutcome> {
        self.write(Class::Api, move |batch| create::create(batch, &new)).await
    }

    async fn commit(&self, commit: Commit) -> Result<CommitOutcome> {
        let change = Change::encode(commit);
        self.write(Class::Critical, move |batch| commit::commit(batch.db, &change)).await
    }

    async fn add_file(&self, file: FileRow) -> Result<()> {
        self.write(Class::Critical, move |batch| retention::add_file(batch.db, &file)).await
    }

    async fn forget_files(&self, files: &[FileId]) -> Result<()> {
        let files = files.to_vec();
        self.write(Class::Critical, move |batch| retention::forget_files(batch.db, &files)).await
    }

    async fn load(&self, id: PredictionId) -> Result<Option<Prediction>> {
        self.read(move |db| read::load(db, id)).await
    }

    async fn list(&self, query: &ListPredictions) -> Result<Vec<Prediction>> {
        let query = query.clone();
        self.read(move |db| read::list(db, &query)).await
    }

    async fn stream_from(&self, id: PredictionId, from: u64, limit: u32) -> Result<Option<StreamPage>> {
        self.read(move |db| stream::stream_from(db, id, from, limit)).await
    }

    async fn claim(
        &self,
        node: &NodeEpoch,
        wanted: &[Wanted],
        limit: u32,
        setup_deadline: Timestamp,
    ) -> Result<Vec<Claimed>> {
        let (node, wanted) = (node.clone(), wanted.to_vec());
        let work = move |db: &_| claim::claim(db, &node, &wanted, limit, setup_deadline);
        self.write(Class::Critical, move |batch| work(batch.db)).await
    }

    async fn queue_position(&self, id: PredictionId) -> Result<Option<u64>> {
        self.read(move |db| claim::queue_position(db, id)).await
    }

    async fn release(&self, id: PredictionId, lease: &Lease, deadline: Deadline) -> Result<()> {
        let lease = lease.clone();
        self.write(Class::Critical, move |batch| claim::release(batch.db, id, &lease, deadline)).await
    }

    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<Overdue>> {
        self.read(move |db| claim::overdue(db, now, limit)).await
    }

    async fn expired_data(&self, now: Timestamp, limit: u32) -> Result<Vec<ExpiredData>> {
        self.read(move |db| retention::expired_data(db, now, limit)).await
    }

    async fn remove_data(&self, expired: &[ExpiredData]) -> Result<()> {
        let expired = expired.to_vec();
        self.write(Class::Background, move |batch| retention::remove_data(batch.db, &expired)).await
    }

    async fn unowned_files(&self, before: Timestamp, after: Option<FileId>, limit: u32) -> Result<FilePage> {
        self.read(move |db| retention::unowned_files(db, before, after, limit)).await
    }

    async fn forget_idempotency_keys(&self, now: Timestamp, limit: u32) -> Result<u64> {
        self.write(Class::Background, move |batch| retention::forget_idempotency_keys(batch.db, now, limit))
            .await
    }

    async fn load_figures(&self) -> Result<Load> {
        self.read(claim::load_figures).await
    }
}
