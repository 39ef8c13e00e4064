//! Recording attempts that have ended, and what becomes of their lanes.

use cogwire_core::id::PredictionId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::pacing::{FinalMessage, Next};
use rusqlite::{Connection, params};

use super::lane::LaneRow;
use crate::delivery::{DeliveryState, FinishedAttempt, LaneOutcome, Verdict};
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
    insert_attempt(db, finished)?;
    if settle_final(db, finished)? {
        return Ok(LaneOutcome::Idle);
    }
    let id = finished.delivery.prediction;
    let Some(mut row) = LaneRow::held(db, id, &finished.node, finished.lease_no)? else {
        count_attempt(db, finished)?;
        return Ok(LaneOutcome::Fenced);
    };
    match (row.lane.last.as_mut(), finished.verdict) {
        (Some(last), Verdict::RetryAt(at)) if last.seq == finished.delivery.seq => {
            plan_retry(last, finished, at);
            write_state(db, finished, DeliveryState::Pending, Some(at))?;
            leave(db, &mut row, now)
        }
        _ => {
            write_state(db, finished, state_of_intermediate(finished.verdict), None)?;
            row.in_flight = None;
            row.lane.began_at(finished.attempt.started_at);
            go_on(db, &mut row, now)
        }
    }
}

/// A number may be taken already, by a node that sent under an earlier fence; both attempts are kept.
fn insert_attempt(db: &Connection, finished: &FinishedAttempt) -> Outcome<()> {
    let attempt = &finished.attempt;
    let insert = |number: u32, sql: &str| -> Outcome<usize> {
        Ok(db.prepare_cached(sql)?.execute(params![
            finished.delivery.prediction.as_str(),
            finished.delivery.seq,
            number,
            attempt.started_at.as_micros(),
            i64::try_from(attempt.duration.as_micros()).unwrap_or(i64::MAX),
            attempt.status,
            attempt.class,
            attempt.detail,
            attempt.manual,
        ])?)
    };
    let values = "INSERT INTO attempt (prediction_id, seq, number, started_at, duration_us, status, class, detail, manual)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
    if insert(attempt.number, values)? == 0 {
        let after_all =
            "INSERT INTO attempt (prediction_id, seq, number, started_at, duration_us, status, class, detail,
                           manual)
                         SELECT ?1, ?2, MAX(number, ?3) + 1, ?4, ?5, ?6, ?7, ?8, ?9 FROM attempt
                         WHERE prediction_id = ?1 AND seq = ?2 ORDER BY number DESC LIMIT 1";
        insert(attempt.number, after_all)?;
    }
    Ok(())
}

/// The common path: the final message is done with, and its lane goes. Nothing is read for it. `false` when this was not
/// the end of a final message, or the lane is not this node's.
fn settle_final(db: &Connection, finished: &FinishedAttempt) -> Outcome<bool> {
    let state = match finished.verdict {
        Verdict::Delivered => DeliveryState::Delivered,
        Verdict::GivenUp => DeliveryState::Exhausted,
        Verdict::RetryAt(_) => return Ok(false),
    };
    let id = finished.delivery;
    let sql = "DELETE FROM lane WHERE prediction_id = ?1 AND owner = ?2 AND lease_no = ?3 AND final_seq = ?4";
    let values = params![id.prediction.as_str(), finished.node.0, int(finished.lease_no), id.seq];
    let settled = db.prepare_cached(sql)?.execute(values)? > 0;
    if settled {
        write_state(db, finished, state, None)?;
    }
    Ok(settled)
}

fn plan_retry(last: &mut FinalMessage, finished: &FinishedAttempt, at: Timestamp) {
    last.attempts = last.attempts.max(finished.attempt.number);
    last.tries += 1;
    last.first_attempt_at = last.first_attempt_at.or(Some(finished.attempt.started_at));
    last.due_at = at;
}

fn state_of_intermediate(verdict: Verdict) -> DeliveryState {
    match verdict {
        Verdict::Delivered => DeliveryState::Delivered,
        Verdict::GivenUp | Verdict::RetryAt(_) => DeliveryState::Failed,
    }
}

fn write_state(
    db: &Connection,
    finished: &FinishedAttempt,
    state: DeliveryState,
    next: Option<Timestamp>,
) -> Outcome<()> {
    let sql = "UPDATE delivery SET state = ?3, attempts = attempts + 1, next_attempt_at = ?4, lease_no = ?5
               WHERE prediction_id = ?1 AND seq = ?2";
    let id = finished.delivery;
    let values =
        params![id.prediction.as_str(), id.seq, state.as_str(), micros(next), int(finished.lease_no)];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// What a fenced attempt changes: it is there. How its message stands is for the lane's holder to say.
fn count_attempt(db: &Connection, finished: &FinishedAttempt) -> Outcome<()> {
    let sql = "UPDATE delivery SET attempts = attempts + 1 WHERE prediction_id = ?1 AND seq = ?2";
    db.prepare_cached(sql)?.execute(params![finished.delivery.prediction.as_str(), finished.delivery.seq])?;
    Ok(())
}

/// Keeps the lane when something may go out at once.
fn go_on(db: &Connection, row: &mut LaneRow, now: Timestamp) -> Outcome<LaneOutcome> {
    if !matches!(row.lane.next(now), Next::Send(_)) {
        return leave(db, row, now);
    }
    row.schedule(now);
    row.update(db)?;
    Ok(LaneOutcome::Continue(Box::new(row.claimed(row.final_body(db)?))))
}

/// Frees the lane, and forgets it when nothing is owed and nothing will be.
pub(super) fn leave(db: &Connection, row: &mut LaneRow, now: Timestamp) -> Outcome<LaneOutcome> {
    row.free();
    row.schedule(now);
    if row.lane.next(now) == Next::Done {
        row.delete(db)?;
    } else {
        row.update(db)?;
    }
    Ok(row.due_at.map_or(LaneOutcome::Idle, LaneOutcome::DueAt))
}

/// Frees lanes whose requests were not made, or not finished.
pub(super) fn release_lanes(db: &Connection, node: &NodeEpoch, lanes: &[(PredictionId, u64)]) -> Outcome<()> {
    for (id, lease_no) in lanes {
        let Some(mut row) = LaneRow::held(db, *id, node, *lease_no)? else { continue };
        interrupt(db, &row)?;
        row.free();
        if row.lane.due_at().is_none() && !row.lane.open {
            row.delete(db)?;
        } else {
            row.due_at = row.lane.due_at().map(|due| row.due_at.map_or(due, |earlier| earlier.max(due)));
            row.update(db)?;
        }
    }
    Ok(())
}

/// A message that was begun and whose end nobody saw is not sent again.
fn interrupt(db: &Connection, row: &LaneRow) -> Outcome<()> {
    let Some(seq) = row.in_flight else { return Ok(()) };
    let sql = "UPDATE delivery SET state = 'interrupted' WHERE prediction_id = ?1 AND seq = ?2 AND state = 'sending'";
    db.prepare_cached(sql)?.execute(params![row.prediction.as_str(), seq])?;
    Ok(())
}
