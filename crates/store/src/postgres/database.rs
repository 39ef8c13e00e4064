//! The connections of a store, lent out one use case at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::PostgresOptions;
use super::connection::Connector;
use super::db::Mode;
use super::failure::{self, Outcome};
use super::tries::Tries;
use crate::error::{Error, Result};

pub(super) use super::db::Db;
pub(super) use super::tries::Repeat;

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
            let db = Db::new(client, self.inner.patience);
            match db.run(mode, work).await {
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
