//! Recording attempts that have ended, and what becomes of their lanes.
//!
//! Final messages that are done with, nearly all of what a server sends, are one statement for the whole batch, in which
//! nothing is read. The others are one transaction. Both can be repeated after the answer was lost: attempts that are
//! recorded are recognised. So it does no harm that a batch of both is two transactions.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::time::Timestamp;
use futures_util::FutureExt;
use futures_util::future::{try_join3, try_join4};
use tokio_postgres::types::ToSql;

use super::attempt::{ATTEMPT, AttemptColumns, Recording};
use super::lane::LockedLanes;
use super::message::{MessageChanges, fetch_bodies, lock_messages};
use crate::delivery::{ClaimedLane, DeliveryState, FinishedAttempt, LaneOutcome};
use crate::error::Result;
use crate::lane::{Follow, final_state, recorded_before, settle};
use crate::postgres::columns::Shape;
use crate::postgres::database::{Class, Database, Db, Repeat};
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int};

pub(super) async fn finish_attempts(
    database: &Database,
    finished: &[FinishedAttempt],
    now: Timestamp,
) -> Result<Vec<LaneOutcome>> {
    let finals = finals(finished);
    let settled = match finals.is_empty() {
        true => HashSet::new(),
        false => database.write(Class::Work, Repeat::Safe, |db| settle_finals(db, &finals)).await?,
    };
    let is_settled = |one: &&FinishedAttempt| settled.contains(&one.delivery.prediction);
    let rest: Vec<&FinishedAttempt> = finished.iter().filter(|one| !is_settled(one)).collect();
    let mut outcomes = match rest.is_empty() {
        true => Vec::new(),
        false => database.work(Class::Work, Repeat::Safe, |db| finish(db, &rest, now)).await?,
    }
    .into_iter();
    let outcome = |one: &FinishedAttempt| match is_settled(&one) {
        true => Some(LaneOutcome::Idle),
        false => outcomes.next(),
    };
    Ok(finished.iter().filter_map(outcome).collect())
}

/// Final messages that are done with, in the order of their ids. Of a lane with several attempts there are none: those come
/// after each other.
fn finals(finished: &[FinishedAttempt]) -> Vec<&FinishedAttempt> {
    let mut only: BTreeMap<PredictionId, Option<&FinishedAttempt>> = BTreeMap::new();
    for one in finished {
        only.entry(one.delivery.prediction).and_modify(|only| *only = None).or_insert(Some(one));
    }
    let is_done = |one: &&FinishedAttempt| one.is_final && final_state(one.verdict) != DeliveryState::Pending;
    only.into_values().flatten().filter(is_done).collect()
}

/// Settles the messages whose lanes their senders hold, and says which. None when the number of one of the attempts is taken.
async fn settle_finals(db: Db, finals: &[&FinishedAttempt]) -> Outcome<HashSet<PredictionId>> {
    let mut columns = AttemptColumns::default();
    finals.iter().for_each(|one| columns.push(one, one.attempt.number));
    let nodes: Vec<&str> = finals.iter().map(|one| &*one.node.0).collect();
    let lease_nos: Vec<i64> = finals.iter().map(|one| int(one.lease_no)).collect();
    let states: Vec<&str> = finals.iter().map(|one| final_state(one.verdict).as_str()).collect();
    let holders: [&(dyn ToSql + Sync); 3] = [&nodes, &lease_nos, &states];
    match db.query(&SETTLE, &[&columns.values()[..], &holders].concat()).await {
        Err(failure) if failure.is_duplicate() => Ok(HashSet::new()),
        rows => rows?.iter().map(|row| Row::new("lane", row).parse("prediction_id")).collect(),
    }
}

/// Deleting the lane decides: only what was deleted is written elsewhere.
///
/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`]. The owner is compared in a way that no index knows, so that
/// it is the lane's key by which it is found, and never the many lanes that a node holds.
pub(in crate::postgres) static SETTLE: LazyLock<String> = LazyLock::new(|| {
    let holds = Shape(&[("node", "text"), ("lease_no", "bigint"), ("state", "text")]);
    let done = Shape(&[ATTEMPT.0, holds.0].concat()).rows(0, "done");
    let attempt = ATTEMPT.names();
    format!(
        "WITH settled AS (
           DELETE FROM lane USING {done}
           WHERE lane.prediction_id = ANY (ARRAY[done.prediction_id]) AND lane.owner IS NOT DISTINCT FROM done.node
             AND lane.lease_no = done.lease_no AND lane.final_seq = done.seq
           RETURNING done.*),
         message AS (
           UPDATE delivery SET state = settled.state, attempts = attempts + 1, next_attempt_at = NULL,
             lease_no = settled.lease_no
           FROM settled
           WHERE delivery.prediction_id = ANY (ARRAY[settled.prediction_id]) AND delivery.seq = settled.seq),
         recorded AS (
           INSERT INTO attempt ({attempt}) SELECT {attempt} FROM settled)
         SELECT prediction_id FROM settled"
    )
});

async fn finish(db: Db, finished: &[&FinishedAttempt], now: Timestamp) -> Outcome<Vec<LaneOutcome>> {
    let messages: BTreeSet<DeliveryId> = finished.iter().map(|one| one.delivery).collect();
    let lanes = LockedLanes::lock(&db, finished.iter().map(|one| one.delivery.prediction));
    // What is recorded is read last: whoever else records an attempt at one of these messages has locked it.
    let (lanes, (), attempts) =
        try_join3(lanes, lock_messages(&db, &messages), Recording::begin(&db, finished)).await?;
    let mut ends = Ends { lanes, messages: MessageChanges::default(), attempts };
    let mut outcomes: Vec<LaneOutcome> = finished.iter().map(|one| ends.take_in(one, now)).collect();
    ends.write(&db, &mut outcomes).await?;
    Ok(outcomes)
}

/// What the ends of attempts change.
struct Ends<'a> {
    lanes: LockedLanes,
    messages: MessageChanges,
    attempts: Recording<'a>,
}

impl<'a> Ends<'a> {
    fn take_in(&mut self, finished: &'a FinishedAttempt, now: Timestamp) -> LaneOutcome {
        let is_new = self.attempts.add(finished);
        if is_new {
            self.messages.count(finished.delivery);
        }
        let id = finished.delivery.prediction;
        match self.lanes.get_mut(id) {
            Some(row) if row.is_held_by(&finished.node, finished.lease_no) => {
                let settled = settle(row, finished, now);
                let outcome = match settled.follow {
                    Follow::Continue => LaneOutcome::Continue(Box::new(row.claimed(None))),
                    Follow::Free(due) => due.map_or(LaneOutcome::Idle, LaneOutcome::DueAt),
                };
                self.lanes.decide(id, settled.write);
                self.messages.settle(finished.delivery, &settled, finished.lease_no);
                outcome
            }
            // How the message stands is for the lane's holder to say.
            _ if is_new => LaneOutcome::Fenced,
            row => recorded_before(row.as_deref(), finished),
        }
    }

    async fn write(&self, db: &Db, outcomes: &mut [LaneOutcome]) -> Outcome<()> {
        let mut continued: Vec<_> = outcomes.iter_mut().filter_map(continued).collect();
        let (lanes, messages) = (self.lanes.write(db).boxed(), self.messages.write(db).boxed());
        let (attempts, bodies) = (self.attempts.write(db).boxed(), fetch_bodies(db, &mut continued).boxed());
        try_join4(lanes, messages, attempts, bodies).await?;
        Ok(())
    }
}

fn continued(outcome: &mut LaneOutcome) -> Option<&mut ClaimedLane> {
    match outcome {
        LaneOutcome::Continue(lane) => Some(lane),
        _ => None,
    }
}
