//! Predictions in PostgreSQL.

mod claim;
mod commit;
mod create;
mod portion;
mod read;
mod refusal;
mod retention;
mod stream;
mod transition;

use std::sync::Arc;

use async_trait::async_trait;
use cogwire_core::id::{FileId, PredictionId};
use cogwire_core::prediction::{Deadline, Prediction};
use cogwire_core::time::Timestamp;
use tokio::sync::Semaphore;

use self::commit::{Planned, Way};
use super::batch::{BatchOptions, Batcher, WhenFull};
use super::database::{Class, Database, Repeat};
use super::{PostgresOptions, PostgresStore, WORK_QUEUE};
use crate::error::{Error, Result};
use crate::node::NodeEpoch;
use crate::prediction::{
    Claimed, Commit, CommitOutcome, CreateOutcome, ExpiredData, FilePage, FileRow, Idempotency, Lease,
    ListPredictions, Load, NewPrediction, Overdue, PredictionStore, StreamPage, Wanted,
};

#[cfg(test)]
pub(super) use self::{
    claim::{CLAIM, OVERDUE, POSITION},
    create::CREATE,
    read::{NEWEST_FIRST, OLDEST_FIRST, ONE},
    refusal::FOUND,
    retention::{ADD_FILE, EXPIRED, FILES, FORGET_KEYS},
    stream::PAGE,
    transition::{END, STEP},
};

/// Batches of a kind that are on their way at once. While one waits for its flush, the next one is gathered and run.
const WORKERS: usize = 2;

/// Creates and commits, which are gathered.
pub(super) struct Gathered {
    creates: Batcher<Arc<NewPrediction>, Result<CreateOutcome>>,
    /// Room for creates with an idempotency key, which are not gathered.
    keyed: Semaphore,
    /// One for each [`Way`].
    commits: [Batcher<Arc<Planned>, Result<CommitOutcome>>; Way::ALL.len()],
}

impl Gathered {
    pub(super) fn start(database: &Database, options: &PostgresOptions) -> Self {
        let commits = BatchOptions {
            queue: WORK_QUEUE,
            when_full: WhenFull::Wait,
            workers: WORKERS,
            on_commit: options.on_commit.clone(),
        };
        let creates =
            BatchOptions { queue: options.api_queue, when_full: WhenFull::Refuse, ..commits.clone() };
        Self {
            creates: Batcher::start(database, creates, create::create),
            keyed: Semaphore::new(options.api_queue),
            commits: Way::ALL.map(|way| {
                Batcher::start(database, commits.clone(), move |database, planned| {
                    commit::commit(database, way, planned)
                })
            }),
        }
    }
}

#[async_trait]
impl PredictionStore for PostgresStore {
    async fn create(&self, new: NewPrediction) -> Result<CreateOutcome> {
        let new = Arc::new(new);
        match &new.idempotency {
            Some(key) => self.create_with_key(&new, key).await,
            None => self.gathered.creates.submit(Arc::clone(&new)).await?,
        }
    }

    async fn commit(&self, commit: Commit) -> Result<CommitOutcome> {
        let planned = Planned::new(commit);
        self.gathered.commits[planned.way() as usize].submit(Arc::new(planned)).await?
    }

    async fn add_file(&self, file: FileRow) -> Result<()> {
        self.database.write(Class::Work, Repeat::Safe, |db| retention::add_file(db, &file)).await
    }

    async fn forget_files(&self, files: &[FileId]) -> Result<()> {
        self.database.write(Class::Work, Repeat::Safe, |db| retention::forget_files(db, files)).await
    }

    async fn load(&self, id: PredictionId) -> Result<Option<Prediction>> {
        self.database.read(Class::Api, |db| read::load(db, id)).await
    }

    async fn list(&self, query: &ListPredictions) -> Result<Vec<Prediction>> {
        self.database.read(Class::Api, |db| read::list(db, query)).await
    }

    async fn stream_from(&self, id: PredictionId, from: u64, limit: u32) -> Result<Option<StreamPage>> {
        self.database.read(Class::Api, |db| stream::stream_from(db, id, from, limit)).await
    }

    /// What is claimed by a try whose outcome is lost belongs to the node without its knowing, and is given back by it.
    async fn claim(
        &self,
        node: &NodeEpoch,
        wanted: &[Wanted],
        limit: u32,
        setup_deadline: Timestamp,
    ) -> Result<Vec<Claimed>> {
        let claim = |db| claim::claim(db, node, wanted, limit, setup_deadline);
        self.database.write(Class::Work, Repeat::Safe, claim).await
    }

    async fn queue_position(&self, id: PredictionId) -> Result<Option<u64>> {
        self.database.read(Class::Api, |db| claim::queue_position(db, id)).await
    }

    async fn release(&self, id: PredictionId, lease: &Lease, deadline: Deadline) -> Result<()> {
        let release = |db| claim::release(db, id, lease, deadline);
        self.database.write(Class::Work, Repeat::Safe, release).await
    }

    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<Overdue>> {
        self.database.read(Class::Work, |db| claim::overdue(db, now, limit)).await
    }

    async fn expired_data(&self, now: Timestamp, limit: u32) -> Result<Vec<ExpiredData>> {
        self.database.read(Class::Work, |db| retention::expired_data(db, now, limit)).await
    }

    async fn remove_data(&self, expired: &[ExpiredData]) -> Result<()> {
        self.database.work(Class::Work, Repeat::Safe, |db| retention::remove_data(db, expired)).await
    }

    async fn unowned_files(&self, before: Timestamp, after: Option<FileId>, limit: u32) -> Result<FilePage> {
        self.database.read(Class::Work, |db| retention::unowned_files(db, before, after, limit)).await
    }

    async fn forget_idempotency_keys(&self, now: Timestamp, limit: u32) -> Result<u64> {
        let forget = |db| retention::forget_idempotency_keys(db, now, limit);
        self.database.write(Class::Work, Repeat::Safe, forget).await
    }

    async fn load_figures(&self) -> Result<Load> {
        self.database.read(Class::Api, claim::load_figures).await
    }
}

impl PostgresStore {
    async fn create_with_key(&self, new: &Arc<NewPrediction>, key: &Idempotency) -> Result<CreateOutcome> {
        let _room = self.gathered.keyed.try_acquire().map_err(|_| Error::Busy)?;
        let create = |db| create::create_with_key(db, new, key);
        self.database.work(Class::Api, Repeat::Safe, create).await
    }
}
