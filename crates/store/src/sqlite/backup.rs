//! Copies of the whole database, made while it is in use.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::connection::restrict_access;
use super::failure::Outcome;
use crate::error::Error;

/// What SQLite takes for all that there are.
const ALL_PAGES: i32 = -1;

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
