//! Forgetting: the data of predictions, their files' rows, and idempotency keys.

use cogwire_core::id::{FileId, PredictionId};
use cogwire_core::time::Timestamp;

use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int};
use crate::prediction::{ExpiredData, FileRow};

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
/// first, one after the other and in one order; what was added until then is deleted after.
pub(super) async fn remove_data(db: Db, ids: &[PredictionId]) -> Outcome<()> {
    let mut ids: Vec<&str> = ids.iter().map(PredictionId::as_str).collect();
    ids.sort_unstable();
    let sql = "UPDATE prediction SET input = '{}', output = NULL, logs = NULL, data_removed = true, expires_at = NULL
               WHERE id = ANY ($1) AND completed_at IS NOT NULL RETURNING id";
    let rows = db.query(sql, &[&ids]).await?;
    let removed: Vec<&str> =
        rows.iter().map(|row| Row::new("prediction", row).get("id")).collect::<Outcome<_>>()?;
    db.execute("DELETE FROM chunk WHERE prediction_id = ANY ($1)", &[&removed]).await?;
    db.execute("DELETE FROM file WHERE prediction_id = ANY ($1)", &[&removed]).await?;
    Ok(())
}

pub(super) async fn forget_idempotency_keys(db: Db, now: Timestamp, limit: u32) -> Outcome<u64> {
    db.execute(FORGET_KEYS, &[&now.as_micros(), &i64::from(limit)]).await
}
