//! Committing a transition: a compare-and-set on the live row, and everything that hangs on it in the same transaction.

use cogwire_core::json::Json;
use rusqlite::{Connection, OptionalExtension, params};

use super::create::deadline_columns;
use crate::change::Change;
use crate::prediction::CommitOutcome;
use crate::sqlite::delivery::owe;
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::{int, micros};

/// The holder and the fence that the live row must have; `None` for anybody.
fn holder(change: &Change) -> (Option<&str>, Option<i64>) {
    change.lease().map(|lease| (&*lease.node.0, int(lease.lease_no))).unzip()
}

pub(super) fn commit(db: &Connection, change: &Change) -> Outcome<CommitOutcome> {
    let committed = if change.ends() { end(db, change)? } else { go_on(db, change)? };
    if !committed {
        return refusal(db, change);
    }
    let commit = &change.commit;
    owe::owe(db, commit, change.final_body.as_ref()).map(CommitOutcome::Committed)
}

/// Whoever deletes the live row decides how the prediction ends.
fn end(db: &Connection, change: &Change) -> Outcome<bool> {
    let (owner, lease_no) = holder(change);
    // Not RETURNING, which makes a table for what it returns each time.
    let sql = "SELECT next_event FROM live
               WHERE prediction_id = ?1 AND revision = ?2 AND (?3 IS NULL OR (owner = ?3 AND lease_no = ?4))";
    let values = params![change.id(), int(change.transition().expected_revision()), owner, lease_no];
    let next_event: Option<i64> = db.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
    let Some(next_event) = next_event else { return Ok(false) };
    db.prepare_cached("DELETE FROM live WHERE prediction_id = ?1")?.execute([change.id()])?;
    insert_chunk(db, change)?;
    write_result(db, change, next_event)?;
    Ok(true)
}

fn write_result(db: &Connection, change: &Change, next_event: i64) -> Outcome<()> {
    let transition = change.transition();
    let state = transition.next();
    let result = change.result.as_ref();
    let sql = "UPDATE prediction SET status = ?2, started_at = ?3, completed_at = ?4, error = ?5, output = ?6, logs = ?7,
                 metrics = ?8, revision = ?9, next_event = ?10, expires_at = ?11
               WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![
        change.id(),
        state.status().as_str(),
        micros(state.started_at()),
        micros(state.completed_at()),
        state.error(),
        result.and_then(|result| result.output.as_ref()).map(Json::as_str),
        transition.result().map(|content| content.logs.as_str()),
        result.map(|result| result.metrics.as_str()),
        int(transition.expected_revision() + 1),
        change.chunk.as_ref().map_or(next_event, |chunk| int(chunk.end)),
        micros(change.commit.expires_at),
    ])?;
    Ok(())
}

fn go_on(db: &Connection, change: &Change) -> Outcome<bool> {
    let (owner, lease_no) = holder(change);
    let sql = "UPDATE live SET revision = revision + 1, next_event = COALESCE(?5, next_event)
               WHERE prediction_id = ?1 AND revision = ?2 AND (?3 IS NULL OR (owner = ?3 AND lease_no = ?4))";
    let end = change.chunk.as_ref().map(|chunk| int(chunk.end));
    let values = params![change.id(), int(change.transition().expected_revision()), owner, lease_no, end];
    if db.prepare_cached(sql)?.execute(values)? == 0 {
        return Ok(false);
    }
    insert_chunk(db, change)?;
    write_deadline(db, change)?;
    write_start(db, change)?;
    Ok(true)
}

fn insert_chunk(db: &Connection, change: &Change) -> Outcome<()> {
    if let Some(chunk) = change.stored_chunk() {
        let sql = "INSERT INTO chunk (prediction_id, first_event, events) VALUES (?1, ?2, ?3)";
        db.prepare_cached(sql)?.execute(params![change.id(), int(chunk.first), chunk.events])?;
    }
    Ok(())
}

/// Most transitions leave the deadline as it is, and then its index is left alone.
fn write_deadline(db: &Connection, change: &Change) -> Outcome<()> {
    let (deadline, kind) = deadline_columns(change.commit.deadline);
    let sql = "UPDATE live SET deadline = ?2, deadline_kind = ?3
               WHERE prediction_id = ?1 AND (deadline IS NOT ?2 OR deadline_kind IS NOT ?3)";
    db.prepare_cached(sql)?.execute(params![change.id(), deadline, kind])?;
    Ok(())
}

/// Only the first transition of a prediction that goes on changes its state: from starting to processing.
fn write_start(db: &Connection, change: &Change) -> Outcome<()> {
    let transition = change.transition();
    if transition.expected_revision() == 0 {
        let sql = "UPDATE prediction SET status = ?2, started_at = ?3 WHERE id = ?1";
        let state = transition.next();
        let values = params![change.id(), state.status().as_str(), micros(state.started_at())];
        db.prepare_cached(sql)?.execute(values)?;
    }
    Ok(())
}

/// Why the live row was not as expected.
fn refusal(db: &Connection, change: &Change) -> Outcome<CommitOutcome> {
    let (owner, lease_no) = holder(change);
    let sql =
        "SELECT 1 FROM live WHERE prediction_id = ?1 AND (?2 IS NULL OR (owner = ?2 AND lease_no = ?3))";
    let held = db.prepare_cached(sql)?.exists(params![change.id(), owner, lease_no])?;
    Ok(if held { CommitOutcome::Conflict } else { CommitOutcome::Fenced })
}
