//! Moving what is committed from the write-ahead log into the database file, outside of commits.
//!
//! Automatic checkpoints run inside a commit, whose callers then wait for them, and SQLite ignores their errors. Here
//! they run after the batch was answered, and a failed flush is seen.

use std::time::Duration;

use rusqlite::Connection;

use crate::sqlite::connection::BUSY_TIMEOUT;
use crate::sqlite::failure::Outcome;

/// Pages (4 KiB each) that the log grows by between two checkpoints: 16 MiB.
const EVERY: i64 = 4_000;

/// Pages in the log from which readers are waited for, so that the log can begin anew: 256 MiB.
const RESTART_FROM: i64 = 64_000;

/// How long readers are waited for. A backup may read for long, and writing must go on meanwhile.
const PATIENCE: Duration = Duration::from_millis(50);

/// When to checkpoint.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// The log's length at the last checkpoint. A reader may have kept it from being complete; trying again is worth it
    /// only after the log has grown.
    tried_at: i64,
}

impl Checkpoints {
    /// Checkpoints when the log has grown enough.
    pub(super) fn after_batch(&mut self, db: &Connection) -> Outcome<()> {
        let log = run(db, "PRAGMA wal_checkpoint(NOOP)")?;
        if log.pages < self.tried_at {
            // The log has begun anew.
            self.tried_at = 0;
        }
        if log.pages - self.tried_at < EVERY {
            return Ok(());
        }
        self.tried_at = log.pages;
        if log.pages < RESTART_FROM {
            run(db, "PRAGMA wal_checkpoint(PASSIVE)").map(drop)
        } else {
            restart(db)
        }
    }
}

/// Checkpoints everything and empties the log.
pub(super) fn everything(db: &Connection) -> Outcome<()> {
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)").map(drop)
}

fn restart(db: &Connection) -> Outcome<()> {
    db.busy_timeout(PATIENCE)?;
    let restarted = run(db, "PRAGMA wal_checkpoint(RESTART)");
    db.busy_timeout(BUSY_TIMEOUT)?;
    restarted.map(drop)
}

struct Log {
    pages: i64,
}

fn run(db: &Connection, sql: &str) -> Outcome<Log> {
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_row([], |row| Ok(Log { pages: row.get(1)? }))?)
}
