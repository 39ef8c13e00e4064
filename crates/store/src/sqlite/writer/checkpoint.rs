//! Moving what is committed from the write-ahead log into the database file, outside of commits.
//!
//! Automatic checkpoints run inside a commit, whose callers then wait for them, and SQLite ignores their errors. Here
//! they run after the batch was answered, and a failed flush is seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::sqlite::connection::BUSY_TIMEOUT;
use crate::sqlite::failure::Outcome;

/// How many bytes the log grows by between two checkpoints.
const EVERY: i32 = 16 << 20;

/// The length of the log, in bytes, from which readers are waited for, so that it can begin anew.
const RESTART_FROM: i32 = 256 << 20;

/// How long readers are waited for. A backup may read for long, and writing must go on meanwhile.
const PATIENCE: Duration = Duration::from_millis(50);

/// When to checkpoint.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Pages in the log after the last commit, which SQLite tells with each.
    log: Arc<AtomicI32>,
    /// The log's length at the last checkpoint. A reader may have kept it from being complete; trying again is worth it
    /// only after the log has grown.
    tried_at: i32,
    /// [`EVERY`] and [`RESTART_FROM`] in pages.
    every: i32,
    restart_from: i32,
}

impl Checkpoints {
    /// Watches the log of the writing connection.
    pub(super) fn watch(db: &mut Connection) -> Outcome<Self> {
        let log = Arc::new(AtomicI32::new(0));
        let told = Arc::clone(&log);
        db.wal_hook(Some(move |_: &mut Wal, pages| {
            told.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        let page: i32 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        Ok(Self { log, tried_at: 0, every: EVERY / page, restart_from: RESTART_FROM / page })
    }

    /// Checkpoints when the log has grown enough.
    pub(super) fn after_batch(&mut self, db: &Connection) -> Outcome<()> {
        let pages = self.log.load(Ordering::Relaxed);
        if pages < self.tried_at {
            // The log has begun anew.
            self.tried_at = 0;
        }
        if pages - self.tried_at < self.every {
            return Ok(());
        }
        self.tried_at = pages;
        if pages < self.restart_from { run(db, "PRAGMA wal_checkpoint(PASSIVE)") } else { restart(db) }
    }
}

/// Checkpoints everything and empties the log.
pub(super) fn everything(db: &Connection) -> Outcome<()> {
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)")
}

fn restart(db: &Connection) -> Outcome<()> {
    db.busy_timeout(PATIENCE)?;
    let restarted = run(db, "PRAGMA wal_checkpoint(RESTART)");
    db.busy_timeout(BUSY_TIMEOUT)?;
    restarted
}

fn run(db: &Connection, sql: &str) -> Outcome<()> {
    db.query_row(sql, [], |_| Ok(()))?;
    Ok(())
}
