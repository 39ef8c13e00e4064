//! The schema's versions: applying what is missing, and refusing what is not known.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use super::backup;
use super::connection::{restrict_access, unavailable};
use super::failure::Outcome;
use crate::migration::{self, Migration, SchemaVersion};

/// The folder in the data directory for backups that are made before a migration.
const BACKUPS: &str = "backups";

/// All steps, in order.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("../../migrations/sqlite/0001_initial.sql") },
    Migration { version: 2, sql: include_str!("../../migrations/sqlite/0002_nodes.sql") },
    Migration { version: 3, sql: include_str!("../../migrations/sqlite/0003_models.sql") },
    Migration { version: 4, sql: include_str!("../../migrations/sqlite/0004_delivery.sql") },
    Migration { version: 5, sql: include_str!("../../migrations/sqlite/0005_traces.sql") },
    Migration { version: 6, sql: include_str!("../../migrations/sqlite/0006_events.sql") },
];

/// Brings the database to the newest of `steps`. One that has a version already is first copied into the data directory's
/// folder of backups; `unix_seconds` is part of the copy's name.
pub(super) fn migrate(
    db: &mut Connection,
    dir: &Path,
    steps: &[Migration],
    unix_seconds: i64,
) -> Outcome<()> {
    let version = version(db, steps)?;
    if version.is_current() {
        return Ok(());
    }
    let found = version.found;
    if found > 0 {
        back_up(db, dir, found, unix_seconds)?;
    }
    steps.iter().filter(|step| step.version > found).try_for_each(|step| apply(db, step))
}

/// How far a database is upgraded.
pub(super) fn version(db: &Connection, steps: &[Migration]) -> Outcome<SchemaVersion> {
    Ok(migration::check(&applied(db)?, steps)?)
}

/// The versions that were applied, with the checksums.
fn applied(db: &Connection) -> Outcome<Vec<(i64, Vec<u8>)>> {
    if !db.table_exists(None, "schema_version")? {
        return Ok(Vec::new());
    }
    let mut statement = db.prepare("SELECT version, checksum FROM schema_version")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn apply(db: &mut Connection, step: &Migration) -> Outcome<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, checksum BLOB NOT NULL) STRICT",
    )?;
    transaction.execute_batch(step.sql)?;
    let sql = "INSERT INTO schema_version (version, checksum) VALUES (?1, ?2)";
    transaction.execute(sql, params![step.version, step.checksum().as_slice()])?;
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
