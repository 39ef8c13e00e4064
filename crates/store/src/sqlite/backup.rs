//! Copies of the whole database, made while it is in use.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use super::connection::restrict_access;
use super::failure::Outcome;

/// Copies all pages as one consistent state into a new file at `path`.
pub(super) fn copy_to(source: &Connection, path: &Path) -> Outcome<()> {
    let mut target = Connection::open(path)?;
    restrict_access(path)?;
    // All pages in one step: a copy in several steps begins again whenever something is written between two of them.
    Backup::new(source, &mut target)?.run_to_completion(-1, Duration::ZERO, None)?;
    // The copy says that it is in WAL mode, as its source is; as a single file it can be moved about.
    target.pragma_update(None, "journal_mode", "delete")?;
    Ok(())
}
