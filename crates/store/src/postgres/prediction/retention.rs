//! Forgetting: the data of predictions, their files' rows, and idempotency keys.

use cogwire_core::id::FileId;
use cogwire_core::time::Timestamp;

use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int};
use crate::prediction::{ExpiredData, FilePage, FileRow};

/// Predictions whose data is due to be removed and that owe no message. `OFFSET 0` keeps the lanes from being read as a
/// whole: they are asked for one by one. Files are not sorted here, or else they might all be read in the order of their ids.
pub(in crate::postgres) const EXPIRED: &str = "
    SELECT id, ARRAY(SELECT file.id FROM file WHERE file.prediction_id = prediction.id) AS files
    FROM prediction
    WHERE expires_at <= $1 AND NOT EXISTS (SELECT 1 FROM lane WHERE lane.prediction_id = prediction.id OFFSET 0)
    ORDER BY expires_at, id LIMIT $2";

/// The prediction's row is written in any case, so that this and the removal of its data wait for each other: either the
/// removal finds the file, or the file finds the data removed and makes it due again. Otherwise nothing would ever find it.
pub(in crate::postgres) const ADD_FILE: &str = "
    WITH added AS (
      INSERT INTO file (id, prediction_id, name, size, created_at) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (id) DO NOTHING)
    UPDATE prediction SET expires_at = CASE WHEN data_removed THEN $5 ELSE expires_at END WHERE id = $2";

/// Files in the order of their ids, and whether each belongs to a prediction. `OFFSET 0` has the predictions looked up one by one.
pub(in crate::postgres) const FILES: &str = "
    SELECT id, EXISTS (SELECT 1 FROM prediction WHERE prediction.id = file.prediction_id OFFSET 0) AS is_owned
    FROM file WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";

/// Expired keys. Those that somebody is using at this moment come with the next round.
pub(in crate::postgres) const FORGET_KEYS: &str = "
    DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))";

pub(super) async fn add_file(db: Db, file: &FileRow) -> Outcome<()> {
    let (id, prediction, created_at) =
        (file.id.as_str(), file.prediction.as_str(), file.created_at.as_micros());
    db.execute(ADD_FILE, &[&id, &prediction, &file.name, &int(file.size), &created_at]).await?;
    Ok(())
}

pub(super) async fn forget_files(db: Db, files: &[FileId]) -> Outcome<()> {
    let ids: Vec<&str> = files.iter().map(FileId::as_str).collect();
    db.execute("DELETE FROM file WHERE id = ANY ($1)", &[&ids]).await?;
    Ok(())
}

pub(super) async fn expired_data(db: Db, now: Timestamp, limit: u32) -> Outcome<Vec<ExpiredData>> {
    let rows = db.query(EXPIRED, &[&now.as_micros(), &i64::from(limit)]).await?;
    rows.iter().map(|row| decode(Row::new("prediction", row))).collect()
}

fn decode(row: Row<'_>) -> Outcome<ExpiredData> {
    let files: Vec<&str> = row.get("files")?;
    let files = files.into_iter().map(str::parse).collect::<Result<Vec<FileId>, _>>();
    let mut files = files.map_err(|error| row.corrupt("files", &error))?;
    files.sort_unstable();
    Ok(ExpiredData { id: row.parse("id")?, files })
}

/// A prediction that still runs keeps its data: the model has it, and its result would bring it back. The rows are locked
/// first, one after the other and in one order: a file that was added until then is seen, and one that is added after finds the
/// data removed.
pub(super) async fn remove_data(db: Db, expired: &[ExpiredData]) -> Outcome<()> {
    let ids: Vec<&str> = expired.iter().map(|expired| expired.id.as_str()).collect();
    let lock = "SELECT id FROM prediction WHERE id = ANY ($1) AND completed_at IS NOT NULL
                ORDER BY id FOR NO KEY UPDATE";
    let rows = db.query(lock, &[&ids]).await?;
    let ended = ids_of(&rows)?;
    let files = expired.iter().filter(|expired| ended.contains(&expired.id.as_str()));
    let files: Vec<&str> = files.flat_map(|expired| &expired.files).map(FileId::as_str).collect();
    db.execute("DELETE FROM file WHERE id = ANY ($1)", &[&files]).await?;
    let sql = "UPDATE prediction SET input = '{}', output = NULL, logs = NULL, data_removed = true, expires_at = NULL
               WHERE id = ANY ($1) AND NOT EXISTS (SELECT 1 FROM file WHERE file.prediction_id = prediction.id OFFSET 0)
               RETURNING id";
    let rows = db.query(sql, &[&ended]).await?;
    db.execute("DELETE FROM chunk WHERE prediction_id = ANY ($1)", &[&ids_of(&rows)?]).await?;
    Ok(())
}

fn ids_of(rows: &[tokio_postgres::Row]) -> Outcome<Vec<&str>> {
    rows.iter().map(|row| Row::new("prediction", row).get("id")).collect()
}

pub(super) async fn unowned_files(
    db: Db,
    before: Timestamp,
    after: Option<FileId>,
    limit: u32,
) -> Outcome<FilePage> {
    let after = after.map_or_else(String::new, |after| after.to_string());
    let before = FileId::first_at(before);
    let rows = db.query(FILES, &[&after, &before.as_str(), &i64::from(limit)]).await?;
    let files = rows.iter().map(|row| {
        let row = Row::new("file", row);
        Ok((row.parse("id")?, row.get("is_owned")?))
    });
    Ok(FilePage::of(&files.collect::<Outcome<Vec<_>>>()?, limit))
}

pub(super) async fn forget_idempotency_keys(db: Db, now: Timestamp, limit: u32) -> Outcome<u64> {
    db.execute(FORGET_KEYS, &[&now.as_micros(), &i64::from(limit)]).await
}
