//! Copies of the whole database, made while it is in use, and put back where there is none.

use std::fs::File;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::connection::{self, restrict_access, unavailable};
use super::failure::Outcome;
use super::lock::DirectoryLock;
use super::schema::{self, MIGRATIONS};
use super::{FILE_NAME, SqliteStore};
use crate::error::{Error, Result};
use crate::migration::SchemaVersion;

/// What SQLite takes for all that there are.
const ALL_PAGES: i32 = -1;

/// What a copy is called in the data directory until it is complete.
const PARTIAL_NAME: &str = "cogwire.db.partial";

impl SqliteStore {
    /// Looks through a copy that [`SqliteStore::backup_to`] made, and says how far it is upgraded. Blocks, for as long as
    /// reading all of it takes.
    ///
    /// # Errors
    /// When the copy is damaged, is no database of Cogwire's or is newer than this program.
    pub fn check_copy(path: &Path) -> Result<SchemaVersion> {
        Ok(check(path)?)
    }

    /// Refuses a directory that holds a database.
    ///
    /// # Errors
    /// When there is one.
    pub fn refuse_existing(dir: &Path) -> Result<()> {
        if !dir.join(FILE_NAME).exists() {
            return Ok(());
        }
        Err(Error::Setup(format!(
            "there is a database in {} already: name another --data-dir, or move it out of the way",
            dir.display()
        )))
    }

    /// Makes a copy the database of `dir`, which is created when it is missing. Either all of it is there afterwards, or
    /// nothing. Blocks.
    ///
    /// # Errors
    /// When there is a database already, when a server uses the directory, and when the disk refuses.
    pub fn restore(dir: &Path, copy: &Path) -> Result<()> {
        Ok(restore(dir, copy)?)
    }
}

fn check(path: &Path) -> Outcome<SchemaVersion> {
    let db = connection::open_reader(path)?;
    let found: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return Err(Error::Setup(format!("the database {} is damaged: {found}", path.display())).into());
    }
    let version = schema::version(&db, MIGRATIONS)?;
    if version.found == 0 {
        return Err(Error::Setup(format!("{} is no database of cogwire", path.display())).into());
    }
    Ok(version)
}

fn restore(dir: &Path, copy: &Path) -> Outcome<()> {
    std::fs::create_dir_all(dir).map_err(|error| unavailable(dir, &error))?;
    restrict_access(dir)?;
    let _lock = DirectoryLock::take(dir)?;
    let (path, partial) = (dir.join(FILE_NAME), dir.join(PARTIAL_NAME));
    SqliteStore::refuse_existing(dir)?;
    std::fs::copy(copy, &partial).map_err(|error| unavailable(&partial, &error))?;
    restrict_access(&partial)?;
    let flushed = File::open(&partial).and_then(|file| file.sync_all());
    flushed.and_then(|()| std::fs::rename(&partial, &path)).map_err(|error| unavailable(&partial, &error))?;
    flush_folder(dir).map_err(|error| unavailable(dir, &error))
}

/// Makes a new name in a folder durable.
#[cfg(unix)]
fn flush_folder(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Other systems do not open folders, and keep names durable by themselves.
#[cfg(not(unix))]
fn flush_folder(_dir: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Copies all pages as one consistent state into a new file at `path`.
pub(super) fn copy_to(source: &Connection, path: &Path) -> Outcome<()> {
    let mut target = Connection::open(path)?;
    restrict_access(path)?;
    copy_pages(source, &mut target)?;
    // The copy says that it is in WAL mode, as its source is; as a single file it can be moved about.
    target.pragma_update(None, "journal_mode", "delete")?;
    Ok(())
}

/// Copies in one step: a copy in several steps begins again whenever something is written between two of them.
fn copy_pages(source: &Connection, target: &mut Connection) -> Outcome<()> {
    match Backup::new(source, target)?.step(ALL_PAGES)? {
        StepResult::Done => Ok(()),
        other => Err(Error::Backend(format!("the copy is not complete: {other:?}")).into()),
    }
}
