//! One connection in the hands of one use case.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::Client;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::failure::{Failure, Outcome};
use super::tries::Failed;
use crate::error::Error;

const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How a use case runs on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Each statement by itself, and none changes anything.
    Read,
    /// In a transaction that reads as of one moment.
    Snapshot,
    /// One statement, which is a transaction by itself.
    Write,
    /// In a transaction.
    Work,
}

/// A connection as a use case sees it, inside its transaction when it has one. Clones are the same.
#[derive(Clone)]
pub(super) struct Db {
    lent: Arc<Lent>,
    patience: Duration,
}

impl Db {
    /// A connection that belongs to one use case.
    pub(super) fn new(client: Client, patience: Duration) -> Self {
        Self { lent: Arc::new(Lent::new(client)), patience }
    }

    /// Runs a use case.
    pub(super) async fn run<T, F, R>(self, mode: Mode, work: &F) -> Result<T, Failed>
    where
        F: Fn(Self) -> R,
        R: Future<Output = Outcome<T>>,
    {
        match mode {
            Mode::Read => work(self).await.map_err(Failed::before_commit),
            Mode::Write => work(self).await.map_err(Failed::in_commit),
            Mode::Work => self.in_transaction("BEGIN", Failed::in_commit, work).await,
            Mode::Snapshot => self.in_transaction(BEGIN_SNAPSHOT, Failed::before_commit, work).await,
        }
    }

    /// All rows.
    pub(super) async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Outcome<Vec<Row>> {
        let statement = self.prepare(sql).await?;
        self.within(self.lent.client().query(&statement, values)).await
    }

    /// The row, if there is one.
    pub(super) async fn query_optional(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Outcome<Option<Row>> {
        let statement = self.prepare(sql).await?;
        self.within(self.lent.client().query_opt(&statement, values)).await
    }

    /// The row that there must be.
    pub(super) async fn query_one(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Outcome<Row> {
        let statement = self.prepare(sql).await?;
        self.within(self.lent.client().query_one(&statement, values)).await
    }

    /// How many rows were changed.
    pub(super) async fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Outcome<u64> {
        let statement = self.prepare(sql).await?;
        self.within(self.lent.client().execute(&statement, values)).await
    }

    async fn in_transaction<T, F, R>(
        self,
        begin: &str,
        when_commit_fails: fn(Failure) -> Failed,
        work: &F,
    ) -> Result<T, Failed>
    where
        F: Fn(Self) -> R,
        R: Future<Output = Outcome<T>>,
    {
        self.lent.set_unfit(true);
        self.control(begin).await.map_err(Failed::before_commit)?;
        match work(self.clone()).await.and_then(|done| self.unless_aborted(done)) {
            Ok(done) => {
                self.control("COMMIT").await.map_err(when_commit_fails)?;
                self.lent.set_unfit(false);
                Ok(done)
            }
            Err(failure) => {
                if !failure.is_lost() && self.control("ROLLBACK").await.is_ok() {
                    self.lent.set_unfit(false);
                }
                Err(Failed::before_commit(failure))
            }
        }
    }

    /// After a statement that failed, PostgreSQL answers a commit with a rollback, and calls that a success.
    fn unless_aborted<T>(&self, done: T) -> Outcome<T> {
        if self.lent.has_failed() {
            return Err(Error::Backend(
                "a use case went on after one of its statements had failed".to_owned(),
            )
            .into());
        }
        Ok(done)
    }

    async fn prepare(&self, sql: &str) -> Outcome<Statement> {
        self.within(self.lent.client().prepare_cached(sql)).await
    }

    async fn control(&self, sql: &str) -> Outcome<()> {
        self.within(self.lent.client().batch_execute(sql)).await
    }

    /// The server stops statements that take too long; this is for when the way to it does not even bring that back.
    async fn within<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Outcome<T> {
        let outcome = match tokio::time::timeout(self.patience, answer).await {
            Ok(answer) => answer.map_err(Failure::from),
            Err(_) => Err(Failure::Silence(self.patience)),
        };
        if let Err(failure) = &outcome {
            self.lent.note(failure);
        }
        outcome
    }
}

/// A connection that goes back to the others when its use ends, however it ends; unless it is lost, or in the middle of a
/// transaction that nobody will finish.
struct Lent {
    client: Option<Client>,
    unfit: AtomicBool,
    failed: AtomicBool,
}

impl Lent {
    fn new(client: Client) -> Self {
        Self { client: Some(client), unfit: AtomicBool::new(false), failed: AtomicBool::new(false) }
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("it is there until it is dropped")
    }

    fn note(&self, failure: &Failure) {
        self.failed.store(true, Ordering::Release);
        if failure.is_lost() {
            self.set_unfit(true);
        }
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn set_unfit(&self, unfit: bool) {
        self.unfit.store(unfit, Ordering::Release);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && self.unfit.load(Ordering::Acquire)
        {
            // Cutting the connection ends the transaction.
            drop(Client::take(client));
        }
    }
}
