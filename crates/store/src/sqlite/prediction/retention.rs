//! Forgetting: the data of predictions, their files' rows, and idempotency keys.

use cogwire_core::id::{FileId, PredictionId};
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, params};

use crate::prediction::{ExpiredData, FilePage, FileRow};
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::{Row, int};

/// Predictions whose data is due to be removed and that owe no message.
pub(in crate::sqlite) const EXPIRED: &str = "SELECT id FROM prediction
    WHERE expires_at <= ?1 AND NOT EXISTS (SELECT 1 FROM lane WHERE lane.prediction_id = prediction.id)
    ORDER BY expires_at LIMIT ?2";

/// Files in the order of their ids, and whether each belongs to a prediction.
pub(in crate::sqlite) const FILES: &str = "
    SELECT id, EXISTS (SELECT 1 FROM prediction WHERE prediction.id = file.prediction_id) AS is_owned
    FROM file WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3";

pub(super) fn add_file(db: &Connection, file: &FileRow) -> Outcome<()> {
    let sql = "INSERT INTO file (id, prediction_id, name, size, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let prediction = file.prediction.as_str();
    let values =
        params![file.id.as_str(), prediction, file.name, int(file.size), file.created_at.as_micros()];
    db.prepare_cached(sql)?.execute(values)?;
    // A file that comes after the data was removed is due at once; otherwise nothing would ever find it.
    let sql = "UPDATE prediction SET expires_at = ?2 WHERE id = ?1 AND data_removed = 1";
    db.prepare_cached(sql)?.execute(params![prediction, file.created_at.as_micros()])?;
    Ok(())
}

pub(super) fn forget_files(db: &Connection, files: &[FileId]) -> Outcome<()> {
    for file in files {
        db.prepare_cached("DELETE FROM file WHERE id = ?1")?.execute([file.as_str()])?;
    }
    Ok(())
}

pub(super) fn expired_data(db: &Connection, now: Timestamp, limit: u32) -> Outcome<Vec<ExpiredData>> {
    let mut statement = db.prepare_cached(EXPIRED)?;
    let mut rows = statement.query(params![now.as_micros(), limit])?;
    let mut expired = Vec::new();
    while let Some(row) = rows.next()? {
        let id = Row::new("prediction", row).parse("id")?;
        expired.push(ExpiredData { id, files: files_of(db, id)? });
    }
    Ok(expired)
}

fn files_of(db: &Connection, id: PredictionId) -> Outcome<Vec<FileId>> {
    let mut statement = db.prepare_cached("SELECT id FROM file WHERE prediction_id = ?1 ORDER BY id")?;
    let mut rows = statement.query([id.as_str()])?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        files.push(Row::new("file", row).parse("id")?);
    }
    Ok(files)
}

pub(super) fn remove_data(db: &Connection, expired: &[ExpiredData]) -> Outcome<()> {
    expired.iter().try_for_each(|expired| remove_data_of(db, expired))
}

/// A prediction that still runs keeps its data: the model has it, and its result would bring it back.
fn remove_data_of(db: &Connection, expired: &ExpiredData) -> Outcome<()> {
    let id = [expired.id.as_str()];
    let has_ended = "SELECT 1 FROM prediction WHERE id = ?1 AND completed_at IS NOT NULL";
    if !db.prepare_cached(has_ended)?.exists(id)? {
        return Ok(());
    }
    forget_files(db, &expired.files)?;
    let sql =
        "UPDATE prediction SET input = '{}', output = NULL, logs = NULL, data_removed = 1, expires_at = NULL
               WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM file WHERE prediction_id = ?1)";
    if db.prepare_cached(sql)?.execute(id)? > 0 {
        db.prepare_cached("DELETE FROM chunk WHERE prediction_id = ?1")?.execute(id)?;
    }
    Ok(())
}

pub(super) fn unowned_files(
    db: &Connection,
    before: Timestamp,
    after: Option<FileId>,
    limit: u32,
) -> Outcome<FilePage> {
    let after = after.map_or_else(String::new, |after| after.to_string());
    let mut statement = db.prepare_cached(FILES)?;
    let mut rows = statement.query(params![after, FileId::first_at(before).as_str(), limit])?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new("file", row);
        files.push((row.parse("id")?, row.get("is_owned")?));
    }
    Ok(FilePage::of(&files, limit))
}

pub(super) fn forget_idempotency_keys(db: &Connection, now: Timestamp, limit: u32) -> Outcome<u64> {
    let sql = "DELETE FROM idempotency WHERE (account, key) IN
                 (SELECT account, key FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    Ok(db.prepare_cached(sql)?.execute(params![now.as_micros(), limit])? as u64)
}
