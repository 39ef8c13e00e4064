//! What a commit means for the prediction's receiver: the lane and the final message, in the commit's transaction.

use rusqlite::Connection;

use super::begin::insert_message;
use super::{event, lane};
use crate::lane::{FinalBody, is_first, is_touched};
use crate::prediction::{Commit, LaneEffect};
use crate::sqlite::failure::Outcome;

/// Writes what the transition asks for.
pub(in crate::sqlite) fn owe(
    db: &Connection,
    commit: &Commit,
    body: Option<&FinalBody>,
) -> Outcome<LaneEffect> {
    let look = is_touched(commit) && !is_first(commit);
    let stored = if look { lane::find(db, commit.request.id)? } else { None };
    let Some(owed) = crate::lane::owe(commit, stored, body) else { return Ok(LaneEffect::None) };
    if let Some(message) = &owed.message {
        insert_message(db, &owed.row, message)?;
        event::insert(db, &owed.row, message)?;
    }
    lane::write(db, &owed.row, owed.write)?;
    Ok(owed.effect)
}
