//! The connections of a store, lent out one use case at a time, and what is tried again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::PostgresOptions;
use super::connection::Connector;
use super::failure::{self, Failure, Outcome};
use crate::error::{Error, Result};

/// How often a use case is run again when other transactions are in its way.
const CONFLICTS: u32 = 8;

/// The first pause before that; each is twice as long as the one before it.
const CONFLICT_PAUSE: Duration = Duration::from_millis(1);

/// How often a use case is run again on another connection. Several connections are lost at once when the server
/// restarts, and a pool may hold some more that nobody has noticed yet.
const LOSSES: u32 = 3;

/// The pause before a connection is tried again that could not be opened.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// How much longer than a statement may take its answer is waited for, at most.
const SILENCE: Duration = Duration::from_secs(5);

/// How long the connections that are in use when the store is closed may go on.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// Who asks, and whose connections it uses: neither class can take those of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The engine, delivery and sweeps.
    Work,
    /// Callers of the API, and what only reads.
    Api,
}

/// What to do when the connection is lost while the database may have made a change durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Run it again: a second time changes nothing, or its outcome is as good.
    Safe,
    /// Say that nobody knows: [`Error::Uncertain`].
    Never,
}

/// How a use case runs on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Each statement by itself, and none changes anything.
    Read,
    /// In a transaction that reads as of one moment.
    Snapshot,
    /// One statement, which is a transaction by itself.
    Write,
    /// In a transaction.
    Work,
}

/// The database. Clones are the same.
#[derive(Clone)]
pub(super) struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    connector: Connector,
    work: Pool,
    api: Pool,
    acquire: Duration,
    patience: Duration,
    /// Why the last connection could not be opened; `None` when it could.
    trouble: Mutex<Option<Error>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Database {
    /// No connection is opened yet.
    pub(super) fn new(connector: Connector, options: &PostgresOptions) -> Self {
        let work = (options.connections / 2).max(1);
        let api = options.connections.saturating_sub(work).max(1);
        let inner = Inner {
            work: pool(&connector, work),
            api: pool(&connector, api),
            connector,
            acquire: options.acquire_timeout,
            patience: options.statement_timeout + options.statement_timeout.min(SILENCE),
            trouble: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Runs statements that only read, each in a snapshot of its own.
    pub(super) async fn read<T, F, R>(&self, class: Class, work: F) -> Result<T>
    where
        F: Fn(Db) -> R,
        R: Future<Output = Outcome<T>>,
    {
        self.run(class, Mode::Read, Repeat::Safe, &work).await
    }

    /// Runs statements that only read, all as of one moment.
    pub(super) async fn snapshot<T, F, R>(&self, class: Class, work: F) -> Result<T>
    where
        F: Fn(Db) -> R,
        R: Future<Output = Outcome<T>>,
    {
        self.run(class, Mode::Snapshot, Repeat::Safe, &work).await
    }

    /// Runs one statement that changes something: it commits by itself, in one round trip. Statements that only read may
    /// come before it.
    pub(super) async fn write<T, F, R>(&self, class: Class, repeat: Repeat, work: F) -> Result<T>
    where
        F: Fn(Db) -> R,
        R: Future<Output = Outcome<T>>,
    {
        self.run(class, Mode::Write, repeat, &work).await
    }

    /// Runs statements in one transaction (read committed), which commits when `work` succeeds.
    pub(super) async fn work<T, F, R>(&self, class: Class, repeat: Repeat, work: F) -> Result<T>
    where
        F: Fn(Db) -> R,
        R: Future<Output = Outcome<T>>,
    {
        self.run(class, Mode::Work, repeat, &work).await
    }

    /// Opens connections outside of the pools.
    pub(super) fn connector(&self) -> &Connector {
        &self.inner.connector
    }

    /// Owns the tasks of the store, which end soon after [`Database::stopping`].
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    /// Says that the store is being closed.
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.inner.stop
    }

    /// Ends the store's tasks, then its connections.
    pub(super) async fn close(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.work.close();
        self.inner.api.close();
        self.inner.connector.close(CLOSE_PATIENCE).await;
    }

    async fn run<T, F, R>(&self, class: Class, mode: Mode, repeat: Repeat, work: &F) -> Result<T>
    where
        F: Fn(Db) -> R,
        R: Future<Output = Outcome<T>>,
    {
        let done = self.run_until_certain(class, mode, repeat, work).await;
        done.inspect_err(|error| {
            metrics::counter!("cogwire_db_errors_total", "class" => error.class()).increment(1);
        })
    }

    async fn run_until_certain<T, F, R>(
        &self,
        class: Class,
        mode: Mode,
        repeat: Repeat,
        work: &F,
    ) -> Result<T>
    where
        F: Fn(Db) -> R,
        R: Future<Output = Outcome<T>>,
    {
        let mut tries = Tries::default();
        loop {
            let client = self.client(class).await.map_err(|error| tries.explain(error))?;
            match self.attempt(client, mode, work).await {
                Ok(done) => return Ok(done),
                Err(failed) => {
                    if failed.failure.is_lost() {
                        // Those that went with it are known by now, and would only be tried in vain.
                        self.pool(class).retain(|client, _| !client.is_closed());
                    }
                    tries.again_after(failed, repeat).await?;
                }
            }
        }
    }

    async fn attempt<T, F, R>(&self, client: Client, mode: Mode, work: &F) -> std::result::Result<T, Failed>
    where
        F: Fn(Db) -> R,
        R: Future<Output = Outcome<T>>,
    {
        let db = Db { lent: Arc::new(Lent::new(client)), patience: self.inner.patience };
        match mode {
            Mode::Read => work(db).await.map_err(Failed::before_commit),
            Mode::Write => work(db).await.map_err(Failed::in_commit),
            Mode::Snapshot | Mode::Work => in_transaction(&db, mode, work).await,
        }
    }

    /// A connection that is ready. Waits a while for one, and for the database to come back.
    async fn client(&self, class: Class) -> Result<Client> {
        let _waiting = Waits::begin();
        match tokio::time::timeout(self.inner.acquire, self.connected(class)).await {
            Ok(client) => client,
            Err(_) => Err(self.trouble().unwrap_or(Error::Busy)),
        }
    }

    async fn connected(&self, class: Class) -> Result<Client> {
        loop {
            match self.pool(class).get().await {
                Ok(client) => {
                    self.set_trouble(None);
                    return Ok(client);
                }
                Err(PoolError::Closed) => return Err(Error::Closed),
                Err(error) => self.set_trouble(Some(no_connection(error))),
            }
            tokio::time::sleep(CONNECT_PAUSE).await;
        }
    }

    fn pool(&self, class: Class) -> &Pool {
        match class {
            Class::Work => &self.inner.work,
            Class::Api => &self.inner.api,
        }
    }

    fn trouble(&self) -> Option<Error> {
        self.inner.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<Error>) {
        *self.inner.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// A use case that waits for a connection, as metrics count it.
struct Waits;

impl Waits {
    fn begin() -> Self {
        metrics::gauge!("cogwire_db_pool_waiting").increment(1.0);
        Self
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        metrics::gauge!("cogwire_db_pool_waiting").decrement(1.0);
    }
}

/// A connection as a use case sees it, inside its transaction when it has one. Clones are the same.
#[derive(Clone)]
pub(super) struct Db {
    lent: Arc<Lent>,
    patience: Duration,
}

impl Db {
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

    async fn prepare(&self, sql: &str) -> Outcome<Statement> {
        self.within(self.lent.client().prepare_cached(sql)).await
    }

    async fn control(&self, sql: &str) -> Outcome<()> {
        self.within(self.lent.client().batch_execute(sql)).await
    }

    /// The server stops statements that take too long; this is for when the way to it does not even bring that back.
    async fn within<T>(
        &self,
        answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Outcome<T> {
        let outcome = match tokio::time::timeout(self.patience, answer).await {
            Ok(answer) => answer.map_err(Failure::from),
            Err(_) => Err(Failure::Silence(self.patience)),
        };
        if outcome.as_ref().is_err_and(Failure::is_lost) {
            self.lent.set_unfit(true);
        }
        outcome
    }
}

/// A connection that goes back to the others when its use ends, however it ends; unless it is lost, or in the middle of a
/// transaction that nobody will finish.
struct Lent {
    client: Option<Client>,
    unfit: AtomicBool,
}

impl Lent {
    fn new(client: Client) -> Self {
        Self { client: Some(client), unfit: AtomicBool::new(false) }
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("it is there until it is dropped")
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

/// A use case that failed, and whether something may have happened all the same.
struct Failed {
    failure: Failure,
    uncertain: bool,
}

impl Failed {
    /// Nothing has happened: what was done is undone with the connection.
    fn before_commit(failure: Failure) -> Self {
        Self { failure, uncertain: false }
    }

    /// Nobody knows, when the answer did not arrive. A refusal is an answer.
    fn in_commit(failure: Failure) -> Self {
        Self { uncertain: failure.is_lost(), failure }
    }
}

/// What a use case has been through.
#[derive(Debug, Default)]
struct Tries {
    conflicts: u32,
    losses: u32,
    /// Whether an earlier try may have changed something.
    uncertain: bool,
}

impl Tries {
    /// Returns when it is time to try again, and fails when it is not tried again.
    async fn again_after(&mut self, failed: Failed, repeat: Repeat) -> Result<()> {
        self.uncertain |= failed.uncertain;
        if failed.failure.is_lost() {
            self.losses += 1;
            let repeatable = !failed.uncertain || repeat == Repeat::Safe;
            if repeatable && self.losses <= LOSSES {
                return Ok(());
            }
        } else if failed.failure.is_conflict() && self.conflicts < CONFLICTS {
            tokio::time::sleep(CONFLICT_PAUSE * (1 << self.conflicts)).await;
            self.conflicts += 1;
            return Ok(());
        }
        Err(self.explain(failed.failure.into()))
    }

    /// A try that may have changed something is not undone by a later one that did not get through.
    fn explain(&self, error: Error) -> Error {
        match error {
            Error::Unavailable(text) if self.uncertain => Error::Uncertain(text),
            Error::Busy if self.uncertain => Error::Uncertain(Error::Busy.to_string()),
            other => other,
        }
    }
}

async fn in_transaction<T, F, R>(db: &Db, mode: Mode, work: &F) -> std::result::Result<T, Failed>
where
    F: Fn(Db) -> R,
    R: Future<Output = Outcome<T>>,
{
    let begin = match mode {
        Mode::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        _ => "BEGIN",
    };
    db.lent.set_unfit(true);
    db.control(begin).await.map_err(Failed::before_commit)?;
    match work(db.clone()).await {
        Ok(done) => {
            let uncertain = if mode == Mode::Snapshot { Failed::before_commit } else { Failed::in_commit };
            db.control("COMMIT").await.map_err(uncertain)?;
            db.lent.set_unfit(false);
            Ok(done)
        }
        Err(failure) => {
            if !failure.is_lost() && db.control("ROLLBACK").await.is_ok() {
                db.lent.set_unfit(false);
            }
            Err(Failed::before_commit(failure))
        }
    }
}

fn pool(connector: &Connector, size: usize) -> Pool {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_connect(connector.config().clone(), connector.clone(), config);
    let builder = Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts { create: Some(connector.timeout()), ..Timeouts::default() });
    builder.build().expect("the timeouts have the runtime that they need")
}

fn no_connection(error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => failure::no_connection(&error),
        PoolError::Timeout(_) => Error::Unavailable("PostgreSQL does not answer".to_owned()),
        other => Error::Unavailable(format!("no connection to PostgreSQL can be opened ({other})")),
    }
}
