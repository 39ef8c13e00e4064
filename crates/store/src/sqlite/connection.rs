//! How connections are opened and set up. Every connection of the store goes through here.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::failure::{Outcome, with_advice};
use crate::error::Error;

/// The oldest SQLite that is safe here: older ones can corrupt a write-ahead log that a checkpoint resets while another
/// connection reads.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long a connection waits for another process, such as the `token` command beside a running server.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements that a connection keeps; more than the store has.
const STATEMENTS: usize = 256;

/// Page cache of the writer. It holds the pages that every commit touches; what is read rarely is the system's to cache.
const WRITER_CACHE_KIB: i64 = 6 * 1024;

/// Page cache of each reader.
const READER_CACHE_KIB: i64 = 1024;

/// Pages of a new database. A message and its prediction are a few kilobytes: twice SQLite's default makes about half as many
/// frames of the log, at little more bytes.
const PAGE_BYTES: i64 = 8192;

/// Opens the writing connection, and makes the file when there is none.
pub(super) fn open_writer(path: &Path) -> Outcome<Connection> {
    check_library()?;
    let connection = Connection::open_with_flags(path, writer_flags() | OpenFlags::SQLITE_OPEN_CREATE)?;
    restrict_access(path)?;
    set_up_writer(&connection)?;
    Ok(connection)
}

/// Opens the writing connection of a database that exists already.
pub(super) fn open_existing(path: &Path) -> Outcome<Connection> {
    check_library()?;
    let connection = Connection::open_with_flags(path, writer_flags())?;
    set_up_writer(&connection)?;
    Ok(connection)
}

/// Opens a connection that can only read.
pub(super) fn open_reader(path: &Path) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn writer_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn check_library() -> Outcome<()> {
    if rusqlite::version_number() >= OLDEST_SQLITE {
        return Ok(());
    }
    Err(Error::Backend(format!("SQLite {} is too old; 3.51.3 is needed", rusqlite::version())).into())
}

fn set_up_writer(connection: &Connection) -> Outcome<()> {
    set_up(connection, WRITER_CACHE_KIB)?;
    // Of a new file: one that exists keeps its pages.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    // Only macOS knows a flush that reaches the disk itself; elsewhere the setting has no effect.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // The writer thread checkpoints by itself: an automatic checkpoint would hide a failed flush.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // What a savepoint may have to undo stays in memory.
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(())
}

/// Has the CHECKs of the schema looked at only in builds with debug assertions, like other assertions. SQLite fills a table with
/// the values of each `IN (...)` for each row that is written; what a server writes comes from enums. They hold for whatever
/// else writes: commands beside the server, an import, and `sqlite3` in somebody's hand.
pub(super) fn trust_values(connection: &Connection) -> Outcome<()> {
    connection.pragma_update(None, "ignore_check_constraints", !cfg!(debug_assertions))?;
    Ok(())
}

fn set_up(connection: &Connection, cache_kib: i64) -> Outcome<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // Otherwise some statements, those with a bound LIMIT among them, are compiled again whenever other values are bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Only the owner may read a database: it holds inputs, outputs and signing secrets.
#[cfg(unix)]
pub(super) fn restrict_access(path: &Path) -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|error| unavailable(path, &error))
}

/// Other systems inherit the access rights of the folder.
#[cfg(not(unix))]
pub(super) fn restrict_access(_path: &Path) -> Outcome<()> {
    Ok(())
}

/// The error for a file or folder that cannot be used.
pub(super) fn unavailable(path: &Path, error: &std::io::Error) -> super::failure::Failure {
    Error::Unavailable(with_advice(&format_args!("{}: {error}", path.display()))).into()
}
