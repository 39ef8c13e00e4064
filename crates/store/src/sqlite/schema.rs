//! The schema's versions: applying what is missing, and refusing what is not known.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::backup;
use super::connection::{restrict_access, unavailable};
use super::failure::Outcome;
use crate::error::Error;

/// The folder in the data directory for backups that are made before a migration.
const BACKUPS: &str = "backups";

/// One step of the schema, from the version before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Migration {
    /// The version that the schema has afterwards; versions count from 1.
    pub(super) version: i64,
    /// What makes it so.
    pub(super) sql: &'static str,
}

/// All steps, in order.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("../../migrations/sqlite/0001_initial.sql") },
    Migration { version: 2, sql: include_str!("../../migrations/sqlite/0002_nodes.sql") },
];

/// Brings the database to the newest of `steps`. One that has a version already is first copied into the data directory's
/// folder of backups; `unix_seconds` is part of the copy's name.
pub(super) fn migrate(
    db: &mut Connection,
    dir: &Path,
    steps: &[Migration],
    unix_seconds: i64,
) -> Outcome<()> {
    let found = version(db)?;
    refuse_newer(found, steps)?;
    check_applied(db, found, steps)?;
    if found == newest(steps) {
        return Ok(());
    }
    if found > 0 {
        back_up(db, dir, found, unix_seconds)?;
    }
    steps.iter().filter(|step| step.version > found).try_for_each(|step| apply(db, step))
}

/// Refuses a database whose schema is not exactly the newest of `steps`.
pub(super) fn require_current(db: &Connection, steps: &[Migration]) -> Outcome<()> {
    let found = version(db)?;
    refuse_newer(found, steps)?;
    check_applied(db, found, steps)?;
    if found == newest(steps) {
        return Ok(());
    }
    let known = newest(steps);
    let text =
        format!("its schema version is {found} and {known} is needed: start the server once to upgrade it");
    Err(Error::Backend(text).into())
}

/// The version of a database; 0 when it is empty.
pub(super) fn version(db: &Connection) -> Outcome<i64> {
    if !db.table_exists(None, "schema_version")? {
        return Ok(0);
    }
    Ok(db.query_row("SELECT COALESCE(MAX(version), 0) FROM schema_version", [], |row| row.get(0))?)
}

fn newest(steps: &[Migration]) -> i64 {
    steps.last().map_or(0, |step| step.version)
}

fn refuse_newer(found: i64, steps: &[Migration]) -> Outcome<()> {
    let known = newest(steps);
    if found > known { Err(Error::NewerSchema { found, known }.into()) } else { Ok(()) }
}

/// A step that was applied must not have changed since: the tables would not be what the code expects.
fn check_applied(db: &Connection, found: i64, steps: &[Migration]) -> Outcome<()> {
    for step in steps.iter().filter(|step| step.version <= found) {
        let sql = "SELECT checksum FROM schema_version WHERE version = ?1";
        let stored: Option<Vec<u8>> = db.query_row(sql, [step.version], |row| row.get(0)).optional()?;
        if stored.as_deref() != Some(checksum(step).as_slice()) {
            let text =
                format!("schema version {} was made by other statements than this program's", step.version);
            return Err(Error::Backend(text).into());
        }
    }
    Ok(())
}

fn apply(db: &mut Connection, step: &Migration) -> Outcome<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, checksum BLOB NOT NULL) STRICT",
    )?;
    transaction.execute_batch(step.sql)?;
    let sql = "INSERT INTO schema_version (version, checksum) VALUES (?1, ?2)";
    transaction.execute(sql, params![step.version, checksum(step).as_slice()])?;
    transaction.commit()?;
    Ok(())
}

fn back_up(db: &Connection, dir: &Path, found: i64, unix_seconds: i64) -> Outcome<()> {
    let folder = dir.join(BACKUPS);
    std::fs::create_dir_all(&folder).map_err(|error| unavailable(&folder, &error))?;
    restrict_access(&folder)?;
    let path = folder.join(format!("cogwire-v{found}-{unix_seconds}.db"));
    tracing::info!(path = %path.display(), "copying the database before its schema is upgraded");
    backup::copy_to(db, &path)
}

fn checksum(step: &Migration) -> [u8; 32] {
    Sha256::digest(step.sql.as_bytes()).into()
}
