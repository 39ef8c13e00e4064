//! Moving what is committed from the write-ahead log into the database file, outside of commits.
//!
//! Automatic checkpoints run inside a commit, whose callers then wait for them, and SQLite ignores their errors. Here
//! they run after the batch was answered, and a failed flush is seen.

use rusqlite::Connection;

use crate::sqlite::failure::Outcome;

/// Pages (4 KiB each) in the log from which it is checkpointed: 16 MiB.
const PASSIVE_FROM: i64 = 4_000;

/// Pages in the log from which readers are waited for, so that the log can begin anew: 256 MiB.
const RESTART_FROM: i64 = 64_000;

/// Checkpoints when the log has grown enough.
pub(super) fn when_due(db: &Connection) -> Outcome<()> {
    let log = run(db, "PRAGMA wal_checkpoint(NOOP)")?;
    if log.pages - log.checkpointed < PASSIVE_FROM && log.pages < RESTART_FROM {
        return Ok(());
    }
    let mode = if log.pages < RESTART_FROM { "PASSIVE" } else { "RESTART" };
    run(db, &format!("PRAGMA wal_checkpoint({mode})")).map(drop)
}

/// Checkpoints everything and empties the log.
pub(super) fn everything(db: &Connection) -> Outcome<()> {
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)").map(drop)
}

struct Log {
    pages: i64,
    checkpointed: i64,
}

fn run(db: &Connection, sql: &str) -> Outcome<Log> {
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_row([], |row| Ok(Log { pages: row.get(1)?, checkpointed: row.get(2)? }))?)
}
