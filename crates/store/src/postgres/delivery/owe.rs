//! What a commit means for the prediction's receiver: the lane and the final message, in the commit's transaction.

use std::collections::HashMap;

use cogwire_core::id::PredictionId;
use cogwire_core::webhook::pacing::Next;
use tokio_postgres::types::ToSql;

use super::event;
use super::lane::{LANE, LaneColumns, LockedLanes, write_lanes};
use super::message::{MESSAGE, MessageColumns, insert_messages};
use crate::change::Change;
use crate::lane::{self, Owed, Write};
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::prediction::LaneEffect;

/// What first commits owe, as columns: none of them finds a lane that is stored, so all of it is known beforehand.
pub(in crate::postgres) struct OwedColumns<'a> {
    lanes: LaneColumns<'a>,
    messages: MessageColumns<'a>,
}

impl<'a> OwedColumns<'a> {
    /// How many parameters there are.
    pub(in crate::postgres) const COUNT: usize = LANE.0.len() + MESSAGE.0.len();

    pub(in crate::postgres) fn of(owed: impl Iterator<Item = &'a Owed>) -> Self {
        let (mut lanes, mut messages) = (LaneColumns::default(), MessageColumns::default());
        for owed in owed {
            if owed.write == Write::Insert {
                lanes.push(&owed.row);
            }
            owed.message.iter().for_each(|message| messages.push(&owed.row, message));
        }
        Self { lanes, messages }
    }

    /// The arrays, one for each parameter.
    pub(in crate::postgres) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        let (lanes, messages) = (self.lanes.values(), self.messages.values());
        lanes.into_iter().chain(messages).collect()
    }
}

/// The parts of a statement that write what first commits owe, as far as they are in `done`. The first
/// [`OwedColumns::COUNT`] parameters are theirs.
pub(in crate::postgres) fn insert_owed() -> String {
    // In this form the ids are looked up in a hash table, and not compared one by one.
    let is_done = "(new.prediction_id IN (SELECT id FROM done)) IS TRUE";
    let (lane, lanes) = (LANE.names(), LANE.rows(0, "new"));
    let (message, messages) = (MESSAGE.names(), MESSAGE.rows(LANE.0.len(), "new"));
    let event = event::INSERT;
    format!(
        "lanes AS (
           INSERT INTO lane ({lane}) SELECT * FROM {lanes} WHERE {is_done}),
         messages AS (
           INSERT INTO delivery ({message}, attempts) SELECT new.*, 0 FROM {messages} WHERE {is_done}
           RETURNING delivery.*),
         events AS ({event})"
    )
}

/// The lanes of predictions about which something is being committed.
pub(in crate::postgres) struct Stored(LockedLanes);

/// Locks the lanes of these predictions, as far as they are stored.
pub(in crate::postgres) async fn lock(
    db: &Db,
    predictions: impl Iterator<Item = PredictionId>,
) -> Outcome<Stored> {
    LockedLanes::lock(db, predictions).await.map(Stored)
}

/// Writes what commits ask for whose lanes are locked, and says for each what it means.
pub(in crate::postgres) async fn owe<'a>(
    db: &Db,
    changes: impl Iterator<Item = &'a Change>,
    Stored(mut lanes): Stored,
) -> Outcome<HashMap<PredictionId, LaneEffect>> {
    let (mut effects, mut all) = (HashMap::new(), Vec::new());
    for change in changes {
        let id = change.commit.request.id;
        let owed = lane::owe(&change.commit, lanes.take(id), change.final_body.as_ref());
        effects.insert(id, owed.as_ref().map_or(LaneEffect::None, |owed| owed.effect.clone()));
        all.extend(owed);
    }
    write_lanes(db, all.iter().map(|owed| (&owed.row, owed.write))).await?;
    let mut messages = MessageColumns::default();
    for owed in &all {
        owed.message.iter().for_each(|message| messages.push(&owed.row, message));
    }
    insert_messages(db, &messages).await?;
    Ok(effects)
}

/// What a commit means whose outcome got lost the first time. A lane that it claimed for this node then is in nobody's
/// memory. It is taken anew, under a new fence: should it be in memory all the same, whoever has it there begins nothing.
pub(in crate::postgres) async fn owe_again(db: Db, change: &Change) -> Outcome<LaneEffect> {
    let (commit, id) = (&change.commit, change.commit.request.id);
    let Some(mut row) = LockedLanes::lock(&db, std::iter::once(id)).await?.take(id) else {
        return Ok(LaneEffect::None);
    };
    if row.owner.is_none() {
        return Ok(row.due_at.map_or(LaneEffect::None, LaneEffect::DueAt));
    }
    let is_waiting = row.in_flight.is_none() && matches!(row.lane.next(commit.now), Next::Send(_));
    match &commit.deliver_here {
        Some(node) if row.owner.as_ref() == Some(node) && is_waiting => {
            row.hold(node);
            write_lanes(&db, std::iter::once((&row, Write::Update))).await?;
            let body = change.final_body.as_ref().filter(|_| row.final_message().is_some());
            Ok(LaneEffect::Claimed(Box::new(row.claimed(body.map(|body| body.bytes.clone())))))
        }
        _ => Ok(LaneEffect::None),
    }
}
