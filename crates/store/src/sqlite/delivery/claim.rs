//! Claiming due lanes, fairly: origins in turn, the one that is due longest first.
//!
//! Which lanes to take is read on a reading connection, one index seek for each origin however many lanes wait behind it, and
//! a bounded number of origins; taking them is one write that takes only what is still free. So looking costs the writer
//! nothing when nothing is due.

use std::collections::HashSet;

use cogwire_core::id::PredictionId;
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::lane;
use crate::delivery::{ClaimedLane, LaneClaim, ORIGINS_PER_CLAIM};
use crate::node::NodeEpoch;
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::Row;

/// The first free lane of the next origin: a seek in the index `lane_due`.
pub(in crate::sqlite) const NEXT_ORIGIN: &str = "SELECT prediction_id, origin, due_at FROM lane
    WHERE owner IS NULL AND due_at IS NOT NULL AND origin > ?1 ORDER BY origin, due_at, prediction_id LIMIT 1";

/// The free lanes of one origin, the longest due first.
pub(in crate::sqlite) const OF_ORIGIN: &str = "SELECT prediction_id, due_at FROM lane
    WHERE owner IS NULL AND due_at IS NOT NULL AND origin = ?1 ORDER BY due_at, prediction_id LIMIT ?2";

/// Lanes to claim, in order, and when the next of the others is due.
#[derive(Debug)]
pub(super) struct Candidates {
    pub(super) lanes: Vec<PredictionId>,
    pub(super) next_due: Option<Timestamp>,
    /// The origin after which nothing was looked at, when there may be more.
    pub(super) stopped: Option<String>,
}

/// The free lanes of one origin, as far as they matter.
struct Origin {
    waiting: std::vec::IntoIter<Waiting>,
}

#[derive(Clone, Copy)]
struct Waiting {
    id: PredictionId,
    due_at: Timestamp,
}

/// The first free lane of each origin that is asked for.
struct Firsts {
    lanes: Vec<(String, Waiting)>,
    stopped: Option<String>,
}

/// Chooses lanes, without taking them.
pub(super) fn choose(db: &Connection, claim: &LaneClaim) -> Outcome<Candidates> {
    let Firsts { lanes: mut firsts, stopped } = match &claim.only {
        Some(origin) => Firsts::of_one(db, origin)?,
        None => Firsts::of_many(db, claim)?,
    };
    firsts.sort_by_key(|(_, first)| first.due_at);
    let due = firsts.partition_point(|(_, first)| first.due_at <= claim.now);
    let later = firsts[due..].first().map(|(_, first)| first.due_at);
    firsts.truncate(due);
    let origins = firsts.into_iter().map(|(origin, first)| Origin::read(db, &origin, first, due, claim));
    let (lanes, next_due) = take_turns(origins.collect::<Outcome<_>>()?, claim);
    Ok(Candidates { lanes, next_due: next_due.into_iter().chain(later).min(), stopped })
}

impl Firsts {
    fn of_one(db: &Connection, origin: &str) -> Outcome<Self> {
        let lanes = lanes_of(db, origin, 1)?.into_iter().map(|first| (origin.to_owned(), first)).collect();
        Ok(Self { lanes, stopped: None })
    }

    /// An origin that is skipped is stepped over with one seek, too: its lanes may be many.
    fn of_many(db: &Connection, claim: &LaneClaim) -> Outcome<Self> {
        let skip: HashSet<&str> = claim.skip.iter().map(String::as_str).collect();
        let mut statement = db.prepare_cached(NEXT_ORIGIN)?;
        let mut after = claim.after.as_ref().map_or_else(String::new, |after| after.after.clone());
        let mut lanes = Vec::new();
        for _ in 0..ORIGINS_PER_CLAIM {
            let next =
                statement.query_row([&after], |row| Ok(decode_first(&Row::new("lane", row)))).optional()?;
            let Some((origin, first)) = next.transpose()? else { return Ok(Self { lanes, stopped: None }) };
            if !skip.contains(origin.as_str()) {
                lanes.push((origin.clone(), first));
            }
            after = origin;
        }
        Ok(Self { lanes, stopped: Some(after) })
    }
}

fn decode_first(row: &Row<'_>) -> Outcome<(String, Waiting)> {
    Ok((row.get("origin")?, Waiting::decode(row)?))
}

impl Waiting {
    fn decode(row: &Row<'_>) -> Outcome<Self> {
        Ok(Self { id: row.parse("prediction_id")?, due_at: row.time("due_at")? })
    }
}

impl Origin {
    /// Reads as many lanes as can be claimed, and one more to know when the next is due. `origins` is how many have a turn:
    /// when they are too many, none has a second one, and some of their first lanes stay as the next that are due.
    fn read(
        db: &Connection,
        origin: &str,
        first: Waiting,
        origins: usize,
        claim: &LaneClaim,
    ) -> Outcome<Self> {
        let only_firsts = origins > claim.limit as usize || claim.per_origin == 0;
        let waiting = if only_firsts {
            vec![first]
        } else {
            lanes_of(db, origin, claim.per_origin.min(claim.limit) + 1)?
        };
        Ok(Self { waiting: waiting.into_iter() })
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.waiting.as_slice().first().map(|next| next.due_at)
    }
}

fn lanes_of(db: &Connection, origin: &str, limit: u32) -> Outcome<Vec<Waiting>> {
    let mut statement = db.prepare_cached(OF_ORIGIN)?;
    let mut rows = statement.query(params![origin, limit])?;
    let mut lanes = Vec::new();
    while let Some(row) = rows.next()? {
        lanes.push(Waiting::decode(&Row::new("lane", row))?);
    }
    Ok(lanes)
}

/// One lane of each origin, then a second one of each, until the limits are reached; and when the next of the others is due.
fn take_turns(mut origins: Vec<Origin>, claim: &LaneClaim) -> (Vec<PredictionId>, Option<Timestamp>) {
    let mut lanes = Vec::new();
    for _ in 0..claim.per_origin {
        for origin in &mut origins {
            if lanes.len() < claim.limit as usize && origin.next_due().is_some_and(|due| due <= claim.now) {
                lanes.extend(origin.waiting.next().map(|next| next.id));
            }
        }
    }
    (lanes, origins.iter().filter_map(Origin::next_due).min())
}

/// Takes those of the chosen lanes that are still free and due.
pub(super) fn take(
    db: &Connection,
    node: &NodeEpoch,
    lanes: &[PredictionId],
    now: Timestamp,
) -> Outcome<Vec<ClaimedLane>> {
    let taken = lanes.iter().map(|id| take_one(db, node, *id, now));
    taken.filter_map(Outcome::transpose).collect()
}

fn take_one(
    db: &Connection,
    node: &NodeEpoch,
    id: PredictionId,
    now: Timestamp,
) -> Outcome<Option<ClaimedLane>> {
    let free =
        lane::find(db, id)?.filter(|row| row.owner.is_none() && row.due_at.is_some_and(|due| due <= now));
    let Some(mut row) = free else { return Ok(None) };
    row.hold(node);
    let sql = "UPDATE lane SET owner = ?2, lease_no = lease_no + 1 WHERE prediction_id = ?1";
    db.prepare_cached(sql)?.execute(params![id.as_str(), node.0])?;
    Ok(Some(row.claimed(lane::final_body(db, &row)?)))
}
