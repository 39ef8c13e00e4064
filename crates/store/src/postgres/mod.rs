//! The store in a PostgreSQL database, for any number of servers.
//!
//! Use cases reach the database through `Database`, which has two bounded pools of connections, one for
//! each `Class` of callers, and four ways to use a connection:
//!
//! - `read` for what one statement reads, `snapshot` for what several read as of one moment;
//! - `write` for one statement that changes something, in one round trip, and `work` for a transaction.
//!
//! ```text
//! self.database.write(Class::Api, Repeat::Safe, |db| rename(db, id, name)).await
//!
//! async fn rename(db: Db, id: &str, name: &str) -> Outcome<bool> {
//!     Ok(db.execute("UPDATE t SET name = $2 WHERE id = $1", &[&id, &name]).await? > 0)
//! }
//! ```
//!
//! All four call their function again after a deadlock or a serialization failure, and when the connection is lost before
//! anything can have happened, so it must do the same each time. What `Repeat` says decides what follows when the
//! connection is lost while the database may have committed. Statements are prepared once for each connection; texts of
//! statements are therefore few. Hot use cases are gathered by a `Batcher`, which gives many of them to
//! one statement.
//!
//! A plan is made once for each connection, too, often while a table is empty. A join `a.id = b.id` then looks cheapest as one
//! walk through the whole index of the empty table, and stays so while the table grows. `a.id = ANY (ARRAY[b.id])` says the
//! same and can only be a look-up for each row of `b`: statements that run often are written so.

mod account;
mod alone;
mod batch;
mod catalog;
mod columns;
mod connection;
mod database;
mod db;
mod delivery;
mod failure;
mod node;
mod prediction;
mod restored;
mod row;
mod schema;
mod setup;
mod signal;
#[cfg(feature = "contract")]
#[doc(hidden)]
pub mod testing;
#[cfg(all(test, feature = "contract"))]
mod tests;
mod tls;
mod transfer;
mod tries;
mod upload;
mod url;

use std::time::Duration;

use self::batch::{BatchOptions, Batcher, WhenFull};
use self::connection::Connector;
use self::database::{Class, Database, Db, Repeat};
use self::prediction::Gathered;
use self::signal::Signals;
use crate::delivery::BeginIntermediate;
use crate::error::Result;
use crate::migration::{self, SchemaVersion};
use crate::sqlite::CommitObserver;

pub use self::alone::ServersKeptOut;

/// Writes of one kind by the engine and by delivery that may wait in memory. More wait with their callers, of whom there are as
/// many as there are slots and requests.
const WORK_QUEUE: usize = 1024;

/// How to open a store.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where the database is: `postgres://USER:PASSWORD@HOST/DATABASE`. It is never printed.
    pub url: String,
    /// The most connections for use cases, at least 2. One more carries signals, and one upgrades the database at the start.
    pub connections: usize,
    /// What this program calls itself in the database, unless the URL says it.
    pub application_name: String,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// How long a use case waits for a connection while others have them all, or while the database is away.
    pub acquire_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How long a statement waits for a row that another transaction has locked.
    pub lock_timeout: Duration,
    /// When the database ends a transaction that nobody goes on with.
    pub idle_in_transaction_timeout: Duration,
    /// Creates and other writes of the API that may wait at once; more are answered with
    /// [`Error::Busy`](crate::Error::Busy).
    pub api_queue: usize,
    /// Told after each batch of writes.
    pub on_commit: Option<CommitObserver>,
}

impl PostgresOptions {
    /// The defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: 16,
            application_name: "cogwire".to_owned(),
            connect_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: Duration::from_secs(10),
            api_queue: 4096,
            on_commit: None,
        }
    }
}

/// The store in a database. Its last use should be [`PostgresStore::close`].
pub struct PostgresStore {
    database: Database,
    gathered: Gathered,
    begins: Batcher<BeginIntermediate, bool>,
    signals: Signals,
}

impl PostgresStore {
    /// Opens the database, and brings its schema up to date. Of several servers that start at once, one does so.
    pub async fn open(options: PostgresOptions) -> Result<Self> {
        let connector = Connector::new(&options)?;
        alone::refuse_when_alone(&connector).await?;
        schema::migrate(&connector, schema::MIGRATIONS).await?;
        restored::adopt(&connector).await?;
        Ok(Self::start(connector, &options))
    }

    /// Opens a database whose schema is up to date, for a command beside the servers.
    pub async fn open_current(options: PostgresOptions) -> Result<Self> {
        let connector = Connector::new(&options)?;
        migration::require_current(schema::version(&connector, schema::MIGRATIONS).await?)?;
        Ok(Self::start(connector, &options))
    }

    /// How far the database is upgraded. Changes nothing.
    pub async fn schema_version(options: &PostgresOptions) -> Result<SchemaVersion> {
        schema::version(&Connector::new(options)?, schema::MIGRATIONS).await
    }

    /// Refuses new use cases, waits for those under way and closes every connection. Nothing of the store runs afterwards.
    pub async fn close(&self) {
        self.database.close().await;
    }

    fn start(connector: Connector, options: &PostgresOptions) -> Self {
        let database = Database::new(connector, options);
        let begins = BatchOptions {
            queue: WORK_QUEUE,
            when_full: WhenFull::Wait,
            workers: 2,
            on_commit: options.on_commit.clone(),
        };
        Self {
            gathered: Gathered::start(&database, options),
            begins: Batcher::start(&database, begins, delivery::begin::begin_all),
            signals: Signals::start(&database),
            database,
        }
    }
}
