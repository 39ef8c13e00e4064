//! Intermediate messages become rows just before they are sent.

use futures_util::future::try_join;

use super::lane::LockedLanes;
use super::message::{MessageColumns, insert_messages};
use crate::delivery::BeginIntermediate;
use crate::error::Result;
use crate::lane::{Begun, LaneRow, NewMessage, Write, begin};
use crate::postgres::database::{Class, Database, Db, Repeat};
use crate::postgres::failure::Outcome;

/// Begins a batch of messages in one transaction.
pub(in crate::postgres) async fn begin_all(
    database: Database,
    wanted: Vec<BeginIntermediate>,
) -> Result<Vec<bool>> {
    database.work(Class::Work, Repeat::Safe, |db| begin_in(db, &wanted)).await
}

async fn begin_in(db: Db, wanted: &[BeginIntermediate]) -> Outcome<Vec<bool>> {
    let mut lanes = LockedLanes::lock(&db, wanted.iter().map(|one| one.prediction)).await?;
    let mut messages = Vec::new();
    let begun = wanted.iter().map(|one| take(&mut lanes, one, &mut messages)).collect();
    let mut columns = MessageColumns::default();
    messages.iter().for_each(|(row, message)| columns.push(row, message));
    try_join(lanes.write(&db), insert_messages(&db, &columns)).await?;
    Ok(begun)
}

fn take(
    lanes: &mut LockedLanes,
    wanted: &BeginIntermediate,
    messages: &mut Vec<(LaneRow, NewMessage)>,
) -> bool {
    let Some(row) = lanes.get_mut(wanted.prediction) else { return false };
    let (begun, write) = match begin(row, wanted) {
        Begun::Taken(message) => {
            messages.push((row.clone(), message));
            (true, Write::Update)
        }
        Begun::Already => return true,
        Begun::Unwanted(write) => (false, write),
        Begun::Fenced => return false,
    };
    lanes.decide(wanted.prediction, write);
    begun
}
