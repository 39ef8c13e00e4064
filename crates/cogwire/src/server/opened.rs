//! The store that the configuration names, opened: by a server, or by a command beside the servers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::time::Timestamp;
use cogwire_store::{
    NodeLease, PostgresOptions, PostgresStore, Result, SchemaVersion, SqliteOptions, SqliteStore, Store,
};
use secrecy::ExposeSecret;

use crate::config::{Database, StorePlace};

/// How long a statement may take that reads or writes a page of everything, or counts all of it.
const PATIENCE_OF_MOVES: Duration = Duration::from_secs(600);

/// The most connections of a command beside the servers: they leave the others to them.
const CONNECTIONS_OF_COMMANDS: usize = 4;

/// An open store. Its last use should be [`OpenedStore::close`].
#[derive(Clone)]
pub enum OpenedStore {
    /// In a data directory, for one server.
    Sqlite(Arc<SqliteStore>),
    /// In a database, for any number of servers.
    Postgres(Arc<PostgresStore>),
}

impl OpenedStore {
    /// Opens the store for a server, and brings its schema up to date.
    ///
    /// # Errors
    /// When the store cannot be used, or another server has the data directory.
    pub async fn open(place: &StorePlace, now: Timestamp) -> Result<Self> {
        match place {
            StorePlace::DataDir(path) => {
                let observed =
                    SqliteOptions { on_commit: Some(Arc::new(measure_commit)), ..SqliteOptions::new(now) };
                open_sqlite(path, observed, SqliteStore::open).await
            }
            StorePlace::Database(database) => {
                let options = PostgresOptions {
                    connections: database.connections,
                    on_commit: Some(Arc::new(measure_commit)),
                    ..options(database)
                };
                Ok(Self::Postgres(Arc::new(PostgresStore::open(options).await?)))
            }
        }
    }

    /// Opens the store beside the servers that use it.
    ///
    /// # Errors
    /// When the store cannot be used, or its schema is not up to date.
    pub async fn open_shared(place: &StorePlace, now: Timestamp) -> Result<Self> {
        match place {
            StorePlace::DataDir(path) => {
                open_sqlite(path, SqliteOptions::new(now), SqliteStore::open_shared).await
            }
            StorePlace::Database(database) => {
                let connections = CONNECTIONS_OF_COMMANDS.min(database.connections);
                let options = PostgresOptions { connections, ..options(database) };
                Ok(Self::Postgres(Arc::new(PostgresStore::open_current(options).await?)))
            }
        }
    }

    /// Opens the store for a command that has it to itself: an installation that is there and up to date. Of a data directory
    /// that also keeps servers out.
    ///
    /// # Errors
    /// As [`OpenedStore::open_shared`], and when a server has the data directory.
    pub async fn open_alone(place: &StorePlace, now: Timestamp) -> Result<Self> {
        match place {
            StorePlace::DataDir(path) => {
                open_sqlite(path, SqliteOptions::new(now), SqliteStore::open_alone).await
            }
            StorePlace::Database(database) => {
                Ok(Self::Postgres(Arc::new(PostgresStore::open_current(options_of_moves(database)).await?)))
            }
        }
    }

    /// The same, and makes what is missing: the data directory, the schema.
    ///
    /// # Errors
    /// As [`OpenedStore::open`].
    pub async fn open_new(place: &StorePlace, now: Timestamp) -> Result<Self> {
        match place {
            StorePlace::DataDir(path) => open_sqlite(path, SqliteOptions::new(now), SqliteStore::open).await,
            StorePlace::Database(database) => {
                Ok(Self::Postgres(Arc::new(PostgresStore::open(options_of_moves(database)).await?)))
            }
        }
    }

    /// How far the store at a place is upgraded. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be read, or is newer than this program.
    pub async fn schema_version(place: &StorePlace) -> Result<SchemaVersion> {
        match place {
            StorePlace::DataDir(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || SqliteStore::schema_version(&path)).await;
                read.expect("reading the version does not panic")
            }
            StorePlace::Database(database) => PostgresStore::schema_version(&options(database)).await,
        }
    }

    /// The store, whatever it is.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => store.clone(),
            Self::Postgres(store) => store.clone(),
        }
    }

    /// Whether other servers may use the store, too.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// The lease with which a server begins.
    pub(super) fn lease(&self) -> NodeLease {
        if self.is_shared() { NodeLease::ended() } else { NodeLease::endless() }
    }

    /// Waits for what is under way, and closes the store.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

/// Opening reads and may upgrade the whole database, so it happens beside the runtime's threads.
async fn open_sqlite(
    data_dir: &Path,
    options: SqliteOptions,
    open: fn(&Path, SqliteOptions) -> Result<SqliteStore>,
) -> Result<OpenedStore> {
    let path = data_dir.to_owned();
    let opened = tokio::task::spawn_blocking(move || open(&path, options)).await;
    let store = opened.expect("opening a store does not panic")?;
    Ok(OpenedStore::Sqlite(Arc::new(store)))
}

fn options_of_moves(database: &Database) -> PostgresOptions {
    let connections = CONNECTIONS_OF_COMMANDS.min(database.connections);
    PostgresOptions { connections, statement_timeout: PATIENCE_OF_MOVES, ..options(database) }
}

fn options(database: &Database) -> PostgresOptions {
    PostgresOptions::new(database.url.expose_secret())
}

fn measure_commit(use_cases: usize, duration: Duration) {
    metrics::histogram!("cogwire_db_commit_seconds").record(duration);
    metrics::histogram!("cogwire_db_batch_size").record(use_cases as f64);
}
