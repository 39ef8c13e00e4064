//! Recording attempts that have ended, and what becomes of their lanes.

use cogwire_core::id::PredictionId;
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::{lane, read};
use crate::delivery::{AttemptReport, DeliveryState, FinishedAttempt, LaneOutcome};
use crate::lane::{Follow, LaneRow, final_state, number_for, recorded_before, release, settle};
use crate::node::NodeEpoch;
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::{int, micros};

pub(super) fn finish_attempts(
    db: &Connection,
    finished: &[FinishedAttempt],
    now: Timestamp,
) -> Outcome<Vec<LaneOutcome>> {
    finished.iter().map(|one| finish(db, one, now)).collect()
}

fn finish(db: &Connection, finished: &FinishedAttempt, now: Timestamp) -> Outcome<LaneOutcome> {
    let is_new = record(db, finished)?;
    if settle_final(db, finished, is_new)? {
        return Ok(LaneOutcome::Idle);
    }
    let stored = lane::find(db, finished.delivery.prediction)?;
    match stored {
        Some(mut row) if row.is_held_by(&finished.node, finished.lease_no) => {
            let settled = settle(&mut row, finished, now);
            write_state(db, finished, settled.state, settled.next_attempt_at, is_new)?;
            lane::write(db, &row, settled.write)?;
            outcome(db, &row, settled.follow)
        }
        _ if is_new => {
            count_attempt(db, finished)?;
            Ok(LaneOutcome::Fenced)
        }
        stored => Ok(recorded_before(stored.as_ref(), finished)),
    }
}

fn outcome(db: &Connection, row: &LaneRow, follow: Follow) -> Outcome<LaneOutcome> {
    match follow {
        Follow::Continue => Ok(LaneOutcome::Continue(Box::new(row.claimed(lane::final_body(db, row)?)))),
        Follow::Free(due) => Ok(due.map_or(LaneOutcome::Idle, LaneOutcome::DueAt)),
    }
}

/// Records an attempt. `false` when it is recorded already.
fn record(db: &Connection, finished: &FinishedAttempt) -> Outcome<bool> {
    let attempt = &finished.attempt;
    if insert_attempt(db, finished, attempt.number)? {
        return Ok(true);
    }
    let number = number_for(attempt, &read::attempts(db, finished.delivery)?);
    number.map_or(Ok(false), |number| insert_attempt(db, finished, number))
}

/// `false` when the number is taken.
fn insert_attempt(db: &Connection, finished: &FinishedAttempt, number: u32) -> Outcome<bool> {
    let attempt = &finished.attempt;
    let sql = "INSERT INTO attempt (prediction_id, seq, number, started_at, duration_us, status, class, detail, manual,
                 report)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
    let written = db.prepare_cached(sql)?.execute(params![
        finished.delivery.prediction.as_str(),
        finished.delivery.seq,
        number,
        attempt.started_at.as_micros(),
        i64::try_from(attempt.duration.as_micros()).unwrap_or(i64::MAX),
        attempt.status,
        attempt.class,
        attempt.detail,
        attempt.manual,
        attempt.report.as_ref().map(AttemptReport::to_text),
    ])?;
    Ok(written > 0)
}

/// The common path: the final message is done with, and its lane goes. Nothing is read for it. `false` when this was not
/// the end of a final message, or the lane is not this node's.
fn settle_final(db: &Connection, finished: &FinishedAttempt, is_new: bool) -> Outcome<bool> {
    let state = final_state(finished.verdict);
    if state == DeliveryState::Pending {
        return Ok(false);
    }
    let id = finished.delivery;
    let sql = "DELETE FROM lane WHERE prediction_id = ?1 AND owner = ?2 AND lease_no = ?3 AND final_seq = ?4";
    let values = params![id.prediction.as_str(), finished.node.0, int(finished.lease_no), id.seq];
    let settled = db.prepare_cached(sql)?.execute(values)? > 0;
    if settled {
        write_state(db, finished, state, None, is_new)?;
    }
    Ok(settled)
}

fn write_state(
    db: &Connection,
    finished: &FinishedAttempt,
    state: DeliveryState,
    next: Option<Timestamp>,
    is_new: bool,
) -> Outcome<()> {
    let sql = "UPDATE delivery SET state = ?3, attempts = attempts + ?6, next_attempt_at = ?4, lease_no = ?5
               WHERE prediction_id = ?1 AND seq = ?2";
    let id = finished.delivery;
    let values =
        params![id.prediction.as_str(), id.seq, state.as_str(), micros(next), int(finished.lease_no), is_new];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// What a fenced attempt changes: it is there. How its message stands is for the lane's holder to say.
fn count_attempt(db: &Connection, finished: &FinishedAttempt) -> Outcome<()> {
    let sql = "UPDATE delivery SET attempts = attempts + 1 WHERE prediction_id = ?1 AND seq = ?2";
    db.prepare_cached(sql)?.execute(params![finished.delivery.prediction.as_str(), finished.delivery.seq])?;
    Ok(())
}

/// Frees lanes whose requests were not made, or not finished.
pub(super) fn release_lanes(db: &Connection, node: &NodeEpoch, lanes: &[(PredictionId, u64)]) -> Outcome<()> {
    for (id, lease_no) in lanes {
        let held = lane::find(db, *id)?.filter(|row| row.is_held_by(node, *lease_no));
        let Some(mut row) = held else { continue };
        let released = release(&mut row);
        if let Some(seq) = released.interrupted {
            interrupt(db, *id, seq)?;
        }
        lane::write(db, &row, released.write)?;
    }
    Ok(())
}

/// A message that was begun and whose end nobody saw is not sent again.
fn interrupt(db: &Connection, id: PredictionId, seq: u32) -> Outcome<()> {
    let sql = "UPDATE delivery SET state = 'interrupted' WHERE prediction_id = ?1 AND seq = ?2 AND state = 'sending'";
    db.prepare_cached(sql)?.execute(params![id.as_str(), seq])?;
    Ok(())
}
