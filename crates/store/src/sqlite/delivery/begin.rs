//! An intermediate message becomes a row just before it is sent.

use rusqlite::{Connection, params};

use super::lane;
use crate::delivery::BeginIntermediate;
use crate::lane::{Begun, LaneRow, NewMessage, begin};
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::{int, micros};

pub(super) fn begin_intermediate(db: &Connection, wanted: &BeginIntermediate) -> Outcome<bool> {
    let Some(mut row) = lane::find(db, wanted.prediction)? else { return Ok(false) };
    match begin(&mut row, wanted) {
        Begun::Taken(message) => {
            lane::update(db, &row)?;
            insert_message(db, &row, &message)?;
            Ok(true)
        }
        Begun::Already => Ok(true),
        Begun::Unwanted(write) => {
            lane::write(db, &row, write)?;
            Ok(false)
        }
        Begun::Fenced => Ok(false),
    }
}

/// Writes a message for the first time.
pub(super) fn insert_message(db: &Connection, row: &LaneRow, message: &NewMessage) -> Outcome<()> {
    let sql = "INSERT INTO delivery (prediction_id, seq, account, event, url, origin, state, body, body_sha256, size,
                 superseded, attempts, next_attempt_at, lease_no, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?13, ?14)";
    db.prepare_cached(sql)?.execute(params![
        row.prediction.as_str(),
        message.seq,
        row.account.0,
        message.event.as_str(),
        row.url,
        row.origin,
        message.state.as_str(),
        message.body.as_deref(),
        message.body_sha256,
        int(message.size),
        message.superseded,
        micros(message.next_attempt_at),
        int(message.lease_no),
        message.created_at.as_micros(),
    ])?;
    Ok(())
}
