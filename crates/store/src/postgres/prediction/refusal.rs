//! Why a commit was refused, and whether it had happened already.
//!
//! When the connection is lost before the database answers, nobody knows whether a commit happened. It is tried again, by the
//! store or by whoever asked, and a second time it is refused. So what was refused is compared with what is stored: what
//! looks exactly as the commit would have left it was done by it.

use std::collections::HashMap;

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::Status;
use cogwire_core::time::Timestamp;

use super::commit::Planned;
use crate::change::Change;
use crate::error::Result;
use crate::lane;
use crate::node::NodeEpoch;
use crate::postgres::columns::Columns;
use crate::postgres::database::{Class, Database, Db, Repeat};
use crate::postgres::delivery::owe;
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int};
use crate::prediction::{CommitOutcome, LaneEffect, Lease};

/// The predictions, and what a commit would have said.
pub(in crate::postgres) const FOUND: &str = "
    SELECT prediction.id, live.prediction_id IS NOT NULL AS is_live, live.owner, live.lease_no,
      COALESCE(live.revision, prediction.revision) AS revision, prediction.status, prediction.started_at,
      prediction.completed_at, chunk.events
    FROM unnest($1::text[], $2::bigint[]) AS input (id, first_event)
      JOIN prediction ON prediction.id = ANY (ARRAY[input.id])
      LEFT JOIN live ON live.prediction_id = ANY (ARRAY[input.id])
      LEFT JOIN chunk ON chunk.prediction_id = ANY (ARRAY[input.id]) AND chunk.first_event = input.first_event";

/// A prediction whose commit was refused, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// Whether it goes on, and who holds it.
    live: Option<Hold>,
    revision: u64,
    status: Status,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    /// The events that are stored where the commit's would be.
    events: Option<String>,
}

/// Who holds a prediction that goes on, if anybody does.
type Hold = Option<Lease>;

/// Why a commit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It had happened.
    Done,
    Conflict,
    Fenced,
}

/// An outcome for each of the refused, in their order.
pub(super) async fn explain(database: &Database, refused: &[&Planned]) -> Vec<Result<CommitOutcome>> {
    if refused.is_empty() {
        return Vec::new();
    }
    let found = match database.read(Class::Work, |db| find(db, refused)).await {
        Ok(found) => found,
        Err(error) => return refused.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut outcomes = Vec::with_capacity(refused.len());
    for commit in refused {
        outcomes.push(match why(&commit.change, found.get(&commit.prediction())) {
            Why::Conflict => Ok(CommitOutcome::Conflict),
            Why::Fenced => Ok(CommitOutcome::Fenced),
            Why::Done => effect(database, &commit.change).await.map(CommitOutcome::Committed),
        });
    }
    outcomes
}

async fn effect(database: &Database, change: &Change) -> Result<LaneEffect> {
    if !lane::is_touched(&change.commit) {
        return Ok(LaneEffect::None);
    }
    database.work(Class::Work, Repeat::Safe, |db| owe::owe_again(db, change)).await
}

async fn find(db: Db, refused: &[&Planned]) -> Outcome<HashMap<PredictionId, Found>> {
    let columns = Columns::of(refused)
        .and(|commit| commit.change.id())
        .and(|commit| commit.change.stored_chunk().map(|chunk| int(chunk.first)));
    let rows = db.query(FOUND, &columns.values()).await?;
    let decode = |row: Row<'_>| Ok((row.parse("id")?, decode(row)?));
    rows.iter().map(|row| decode(Row::new("prediction", row))).collect()
}

fn decode(row: Row<'_>) -> Outcome<Found> {
    Ok(Found {
        live: if row.get("is_live")? { Some(hold(row)?) } else { None },
        revision: row.count("revision")?,
        status: row.parse("status")?,
        started_at: row.optional_time("started_at")?,
        completed_at: row.optional_time("completed_at")?,
        events: row.get("events")?,
    })
}

fn hold(row: Row<'_>) -> Outcome<Hold> {
    let owner: Option<&str> = row.get("owner")?;
    let lease_no = row.count("lease_no")?;
    Ok(owner.map(|owner| Lease { node: NodeEpoch(owner.into()), lease_no }))
}

/// A prediction that goes on is moved only by its holder, so a holder that finds what it wanted to write wrote it. An end is
/// known by how and when.
fn why(change: &Change, found: Option<&Found>) -> Why {
    let Some(found) = found else { return Why::Fenced };
    let is_allowed = |hold: &Hold| change.lease().is_none_or(|lease| hold.as_ref() == Some(lease));
    match &found.live {
        Some(hold) if !is_allowed(hold) => Why::Fenced,
        Some(_) if change.ends() || change.lease().is_none() => Why::Conflict,
        Some(_) if is_as_written(change, found) => Why::Done,
        Some(_) => Why::Conflict,
        None if change.ends() && is_as_written(change, found) => Why::Done,
        None => Why::Fenced,
    }
}

fn is_as_written(change: &Change, found: &Found) -> bool {
    let next = change.transition().next();
    found.revision == change.transition().expected_revision() + 1
        && found.status == next.status()
        && found.started_at == next.started_at()
        && found.completed_at == next.completed_at()
        && found.events.as_ref() == change.stored_chunk().map(|chunk| &chunk.events)
}
