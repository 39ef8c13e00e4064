//! The store in one SQLite file, for one server.
//!
//! One thread writes, and commits together what waits together; a few connections read, each use case in a snapshot.
//! What SQLite cannot do alone is done here: one server for each data directory, an upgrade that leaves a backup behind,
//! answers only after the flush.

mod account;
mod backup;
mod catalog;
mod connection;
mod delivery;
mod failure;
mod lock;
mod node;
mod prediction;
mod reader;
mod row;
mod schema;
#[cfg(feature = "contract")]
#[doc(hidden)]
pub mod testing;
#[cfg(all(test, feature = "contract"))]
mod tests;
mod transfer;
mod upload;
mod writer;

use std::path::{Path, PathBuf};

use cogwire_core::time::Timestamp;
use rusqlite::Connection;

use self::failure::Outcome;
use self::lock::DirectoryLock;
use self::reader::Readers;
use self::schema::MIGRATIONS;
use self::writer::{Batch, Class, Writer};
use crate::error::{Error, Result};
use crate::migration::{self, SchemaVersion};

pub use self::writer::CommitObserver;

/// The database's name in the data directory.
const FILE_NAME: &str = "cogwire.db";

/// How to open a store.
#[derive(Clone)]
pub struct SqliteOptions {
    /// Creates and other writes of the API that may wait at once; more are answered with [`Error::Busy`].
    pub api_queue: usize,
    /// Told after each commit.
    pub on_commit: Option<CommitObserver>,
    /// Now: the backup that is made before an upgrade is named after it.
    pub opened_at: Timestamp,
    /// The most pages (8 KiB each) that the database may have; `None` leaves it to the disk.
    pub max_pages: Option<u32>,
}

impl SqliteOptions {
    /// The defaults.
    pub fn new(opened_at: Timestamp) -> Self {
        Self { api_queue: 4096, on_commit: None, opened_at, max_pages: None }
    }
}

/// The store in a data directory. Its last use should be [`SqliteStore::close`].
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    /// Freed after everything else has been closed: fields are dropped in order.
    _lock: Option<DirectoryLock>,
}

impl SqliteStore {
    /// Opens the store in `dir`, creates what is missing and upgrades what is old. Blocks.
    ///
    /// # Errors
    /// When another server uses the directory, when the database is newer than this program, and when the disk refuses.
    pub fn open(dir: &Path, options: SqliteOptions) -> Result<Self> {
        Ok(Self::try_open(dir, options)?)
    }

    /// Opens the store in `dir` beside a running server, which it neither upgrades nor keeps out. Blocks.
    ///
    /// # Errors
    /// When there is no database, or its schema is not exactly this program's.
    pub fn open_shared(dir: &Path, options: SqliteOptions) -> Result<Self> {
        Ok(Self::try_open_shared(dir, options)?)
    }

    /// Opens the store in `dir`, which is there and up to date, and keeps servers out of it. Blocks.
    ///
    /// # Errors
    /// As [`SqliteStore::open_shared`], and when a server uses the directory.
    pub fn open_alone(dir: &Path, options: SqliteOptions) -> Result<Self> {
        Ok(Self::try_open_alone(dir, options)?)
    }

    /// How far the database in `dir` is upgraded. Changes nothing. Blocks.
    ///
    /// # Errors
    /// When the database is newer than this program.
    pub fn schema_version(dir: &Path) -> Result<SchemaVersion> {
        Ok(Self::try_schema_version(&dir.join(FILE_NAME))?)
    }

    /// Copies the database, as it is now, into a new file at `path`, while it is in use.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn backup_to(&self, path: PathBuf) -> Result<()> {
        self.read(move |db| backup::copy_to(db, &path)).await
    }

    /// Refuses new work, finishes what was accepted, and closes everything. Nothing is left running.
    pub async fn close(&self) {
        // Readers first: the writer's last checkpoint then empties the log.
        self.readers.close().await;
        self.writer.close().await;
    }

    fn try_open(dir: &Path, options: SqliteOptions) -> Outcome<Self> {
        std::fs::create_dir_all(dir).map_err(|error| connection::unavailable(dir, &error))?;
        connection::restrict_access(dir)?;
        let lock = DirectoryLock::take(dir)?;
        let path = dir.join(FILE_NAME);
        let mut db = connection::open_writer(&path)?;
        schema::migrate(&mut db, dir, MIGRATIONS, options.opened_at.as_seconds())?;
        connection::trust_values(&db)?;
        Self::start(&path, db, options, Some(lock))
    }

    fn try_open_shared(dir: &Path, options: SqliteOptions) -> Outcome<Self> {
        let (path, db) = Self::open_current(dir)?;
        Self::start(&path, db, options, None)
    }

    fn try_open_alone(dir: &Path, options: SqliteOptions) -> Outcome<Self> {
        // Taking the lock makes its file, which must not appear in a folder that holds something else.
        require_database(dir)?;
        let lock = DirectoryLock::take(dir)?;
        let (path, db) = Self::open_current(dir)?;
        Self::start(&path, db, options, Some(lock))
    }

    fn open_current(dir: &Path) -> Outcome<(PathBuf, Connection)> {
        let path = require_database(dir)?;
        let db = connection::open_existing(&path)?;
        migration::require_current(schema::version(&db, MIGRATIONS)?)?;
        Ok((path, db))
    }

    fn try_schema_version(path: &Path) -> Outcome<SchemaVersion> {
        if path.exists() {
            return schema::version(&connection::open_reader(path)?, MIGRATIONS);
        }
        Ok(migration::check(&[], MIGRATIONS)?)
    }

    fn start(
        path: &Path,
        db: Connection,
        options: SqliteOptions,
        lock: Option<DirectoryLock>,
    ) -> Outcome<Self> {
        if let Some(pages) = options.max_pages {
            db.pragma_update(None, "max_page_count", pages)?;
        }
        let readers = Readers::open(path)?;
        let writer = Writer::start(db, options.api_queue, options.on_commit)?;
        Ok(Self { writer, readers, _lock: lock })
    }

    async fn write<T, F>(&self, class: Class, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Batch<'_>) -> Outcome<T> + Send + 'static,
    {
        self.writer.write(class, work).await
    }

    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.readers.read(work).await
    }
}

/// The path of the database that there must be.
fn require_database(dir: &Path) -> Outcome<PathBuf> {
    let path = dir.join(FILE_NAME);
    if path.exists() {
        return Ok(path);
    }
    Err(Error::Setup(format!("there is no database in {}", dir.display())).into())
}
