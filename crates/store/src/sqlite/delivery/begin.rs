//! An intermediate message becomes a row just before it is sent.

use cogwire_core::webhook::event::{EventSet, WebhookEvent};
use rusqlite::{Connection, params};

use super::finish::leave;
use super::lane::LaneRow;
use crate::delivery::{BeginIntermediate, DeliveryState};
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::int;

pub(super) fn begin_intermediate(db: &Connection, begin: &BeginIntermediate) -> Outcome<bool> {
    let Some(mut row) = LaneRow::held(db, begin.prediction, &begin.node, begin.lease_no)? else {
        return Ok(false);
    };
    if !is_wanted(&row, begin) {
        leave(db, &mut row, begin.now)?;
        return Ok(false);
    }
    take(&mut row, begin);
    row.update(db)?;
    insert(db, &row, begin)?;
    Ok(true)
}

/// While the holder rendered its message, the prediction may have ended: the final message then has taken the place of
/// waiting progress, and its number.
fn is_wanted(row: &LaneRow, begin: &BeginIntermediate) -> bool {
    let wanted = match begin.event {
        WebhookEvent::Start => row.lane.want_start,
        WebhookEvent::Output | WebhookEvent::Logs => !row.lane.want_progress.is_empty(),
        WebhookEvent::Completed => false,
    };
    wanted && row.lane.next_seq == begin.seq
}

fn take(row: &mut LaneRow, begin: &BeginIntermediate) {
    let unseen = if row.progress_revision > begin.revision { row.lane.want_progress } else { EventSet::NONE };
    row.in_flight = Some(row.lane.begin_intermediate(begin.event, begin.now));
    if begin.event != WebhookEvent::Start {
        row.lane.want_progress = unseen;
    }
    row.schedule(begin.now);
}

fn insert(db: &Connection, row: &LaneRow, begin: &BeginIntermediate) -> Outcome<()> {
    let sql =
        "INSERT INTO delivery (prediction_id, seq, account, event, url, origin, state, body_sha256, size,
                 superseded, attempts, lease_no, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, 0, ?10, ?11)";
    db.prepare_cached(sql)?.execute(params![
        row.prediction.as_str(),
        begin.seq,
        row.account.0,
        begin.event.as_str(),
        row.url,
        row.origin,
        DeliveryState::Sending.as_str(),
        begin.body_sha256,
        int(begin.size),
        int(row.lease_no),
        begin.now.as_micros(),
    ])?;
    Ok(())
}
