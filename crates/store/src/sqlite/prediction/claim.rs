//! Handing waiting predictions to a node, taking them back, and noticing that their time is over.

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::{Deadline, DeadlineKind, Request};
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::create::deadline_columns;
use super::read;
use crate::error::Error;
use crate::node::NodeEpoch;
use crate::prediction::{Claimed, FURTHEST_POSITION, Lease, Load, Overdue, Wanted};
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::{Row, int};

/// The waiting predictions of one version, oldest first.
pub(in crate::sqlite) const WAITING: &str = "SELECT prediction_id, queued_at FROM live
    WHERE version = ?1 AND owner IS NULL ORDER BY queued_at, prediction_id LIMIT ?2";

/// How many of the same version wait before one that waits, counted up to a bound.
pub(in crate::sqlite) const POSITION: &str = "
    SELECT prediction_id, (SELECT COUNT(*) FROM (
             SELECT 1 FROM live AS earlier
             WHERE earlier.version = live.version AND earlier.owner IS NULL
               AND (earlier.queued_at, earlier.prediction_id) < (live.queued_at, live.prediction_id)
             LIMIT ?2)) AS position
    FROM live WHERE prediction_id = ?1 AND owner IS NULL";

/// Predictions whose deadline has passed.
pub(in crate::sqlite) const OVERDUE: &str =
    "SELECT prediction_id, deadline_kind FROM live WHERE deadline <= ?1 ORDER BY deadline LIMIT ?2";

pub(super) fn claim(
    db: &Connection,
    node: &NodeEpoch,
    wanted: &[Wanted],
    limit: u32,
    setup_deadline: Timestamp,
) -> Outcome<Vec<Claimed>> {
    let oldest = oldest_waiting(db, wanted, limit)?;
    oldest.into_iter().map(|id| claim_one(db, node, id, setup_deadline)).collect()
}

fn oldest_waiting(db: &Connection, wanted: &[Wanted], limit: u32) -> Outcome<Vec<PredictionId>> {
    let mut waiting = Vec::new();
    for (version, most) in Wanted::by_version(wanted, limit) {
        let mut statement = db.prepare_cached(WAITING)?;
        let mut rows = statement.query(params![version.as_str(), most])?;
        while let Some(row) = rows.next()? {
            let row = Row::new("live", row);
            waiting.push((row.time("queued_at")?, row.parse("prediction_id")?));
        }
    }
    waiting.sort_unstable();
    waiting.truncate(limit as usize);
    Ok(waiting.into_iter().map(|(_, id)| id).collect())
}

fn claim_one(
    db: &Connection,
    node: &NodeEpoch,
    id: PredictionId,
    setup_deadline: Timestamp,
) -> Outcome<Claimed> {
    let prediction = read::load(db, id)?.ok_or_else(|| missing_prediction(id))?;
    let (deadline, kind) = deadline_columns(Some(deadline_of_setup(&prediction.request, setup_deadline)));
    let sql = "UPDATE live SET owner = ?2, lease_no = lease_no + 1, run = run + 1, deadline = ?3, deadline_kind = ?4
               WHERE prediction_id = ?1 RETURNING prediction_id, lease_no, run";
    let mut statement = db.prepare_cached(sql)?;
    let held = statement.query_row(params![id.as_str(), node.0, deadline, kind], |row| {
        let row = Row::new("live", row);
        Ok(row.count("lease_no").and_then(|lease_no| Ok((lease_no, row.get("run")?))))
    })?;
    let (lease_no, run) = held?;
    Ok(Claimed { prediction, lease: Lease { node: node.clone(), lease_no }, run })
}

/// The caller's own limit holds when it comes first.
fn deadline_of_setup(request: &Request, setup: Timestamp) -> Deadline {
    match request.cancel_at {
        Some(at) if at <= setup => Deadline { at, kind: DeadlineKind::CancelAfter },
        _ => Deadline { at: setup, kind: DeadlineKind::Setup },
    }
}

fn missing_prediction(id: PredictionId) -> Error {
    let reason = "it has no row in table prediction".to_owned();
    Error::Corrupt { table: "live", column: "prediction_id", row: id.to_string(), reason }
}

pub(super) fn queue_position(db: &Connection, id: PredictionId) -> Outcome<Option<u64>> {
    let mut statement = db.prepare_cached(POSITION)?;
    let mut rows = statement.query(params![id.as_str(), int(FURTHEST_POSITION)])?;
    rows.next()?.map(|row| Row::new("live", row).count("position")).transpose()
}

/// Gives back a prediction that the lease still holds and that has not begun.
pub(super) fn release(db: &Connection, id: PredictionId, lease: &Lease, deadline: Deadline) -> Outcome<()> {
    let (deadline, kind) = deadline_columns(Some(deadline));
    let sql = "UPDATE live SET owner = NULL, lease_no = lease_no + 1, run = run - 1, deadline = ?4, deadline_kind = ?5
               WHERE prediction_id = ?1 AND owner = ?2 AND lease_no = ?3 AND revision = 0";
    let values = params![id.as_str(), lease.node.0, int(lease.lease_no), deadline, kind];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

pub(super) fn overdue(db: &Connection, now: Timestamp, limit: u32) -> Outcome<Vec<Overdue>> {
    let mut statement = db.prepare_cached(OVERDUE)?;
    let mut rows = statement.query(params![now.as_micros(), limit])?;
    let mut overdue = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new("live", row);
        overdue.push(Overdue { id: row.parse("prediction_id")?, kind: row.parse("deadline_kind")? });
    }
    Ok(overdue)
}

pub(super) fn load_figures(db: &Connection) -> Outcome<Load> {
    let count = |sql| -> Outcome<u64> {
        let number: i64 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(number.unsigned_abs())
    };
    Ok(Load {
        queued: count("SELECT COUNT(*) FROM live WHERE owner IS NULL")?,
        running: count("SELECT COUNT(*) FROM live WHERE owner IS NOT NULL")?,
    })
}
