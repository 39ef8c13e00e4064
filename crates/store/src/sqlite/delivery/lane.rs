//! Rows of `lane`: reading and writing them.

use bytes::Bytes;
use cogwire_core::id::PredictionId;
use cogwire_core::prediction::AccountId;
use cogwire_core::webhook::event::EventSet;
use cogwire_core::webhook::pacing::{FinalMessage, Lane};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::lane::{LaneRow, Write};
use crate::node::NodeEpoch;
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::{Row, int, micros};

/// The stored lane of a prediction.
pub(super) fn find(db: &Connection, id: PredictionId) -> Outcome<Option<LaneRow>> {
    let mut statement = db.prepare_cached("SELECT * FROM lane WHERE prediction_id = ?1")?;
    let found = statement.query_row([id.as_str()], |row| Ok(decode(&Row::new("lane", row)))).optional()?;
    found.transpose()
}

fn decode(row: &Row<'_>) -> Outcome<LaneRow> {
    Ok(LaneRow {
        prediction: row.parse("prediction_id")?,
        account: AccountId(row.text("account")?.into()),
        url: row.get("url")?,
        origin: row.get("origin")?,
        options: row.parse_optional("options")?.unwrap_or_default(),
        due_at: row.optional_time("due_at")?,
        owner: row.get::<Option<String>>("owner")?.map(|owner| NodeEpoch(owner.into())),
        lease_no: row.count("lease_no")?,
        in_flight: row.get("in_flight_seq")?,
        progress_revision: row.count("progress_revision")?,
        lane: decode_lane(row)?,
    })
}

/// The bytes of the final message, when the lane owes one. That they are missing, as in a damaged database, is for the sender to
/// say: an error here would keep all other lanes of a claim from being sent.
pub(super) fn final_body(db: &Connection, row: &LaneRow) -> Outcome<Option<Bytes>> {
    let Some(message) = row.final_message() else { return Ok(None) };
    let mut statement =
        db.prepare_cached("SELECT body FROM delivery WHERE prediction_id = ?1 AND seq = ?2")?;
    let values = params![message.prediction.as_str(), message.seq];
    let body: Option<Option<Vec<u8>>> = statement.query_row(values, |row| row.get(0)).optional()?;
    Ok(body.flatten().map(Bytes::from))
}

/// Does to the row what was decided.
pub(super) fn write(db: &Connection, row: &LaneRow, write: Write) -> Outcome<()> {
    match write {
        Write::Insert => insert(db, row),
        Write::Update => update(db, row),
        Write::Delete => delete(db, row.prediction),
        Write::Nothing => Ok(()),
    }
}

fn insert(db: &Connection, row: &LaneRow) -> Outcome<()> {
    let sql = "INSERT INTO lane (prediction_id, due_at, owner, lease_no, in_flight_seq, want_start, want_progress,
                 progress_revision, final_seq, final_attempts, final_tries, final_first_attempt_at, final_due_at,
                 final_manual, next_seq, last_progress_at, superseded, open, account, url, origin, options)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                 ?19, ?20, ?21, ?22)";
    let mut statement = db.prepare_cached(sql)?;
    bind(row, &mut statement)?;
    statement.raw_bind_parameter(19, &*row.account.0)?;
    statement.raw_bind_parameter(20, row.url.as_str())?;
    statement.raw_bind_parameter(21, row.origin.as_str())?;
    statement.raw_bind_parameter(22, row.options.to_text())?;
    statement.raw_execute()?;
    Ok(())
}

/// Writes a lane that is stored already.
pub(super) fn update(db: &Connection, row: &LaneRow) -> Outcome<()> {
    let sql = "UPDATE lane SET due_at = ?2, owner = ?3, lease_no = ?4, in_flight_seq = ?5, want_start = ?6,
                 want_progress = ?7, progress_revision = ?8, final_seq = ?9, final_attempts = ?10, final_tries = ?11,
                 final_first_attempt_at = ?12, final_due_at = ?13, final_manual = ?14, next_seq = ?15,
                 last_progress_at = ?16, superseded = ?17, open = ?18
               WHERE prediction_id = ?1";
    let mut statement = db.prepare_cached(sql)?;
    bind(row, &mut statement)?;
    statement.raw_execute()?;
    Ok(())
}

/// Binds what both statements have in common: the first 18 values.
fn bind(row: &LaneRow, statement: &mut CachedStatement<'_>) -> Outcome<()> {
    let lane = &row.lane;
    let last = lane.last.as_ref();
    statement.raw_bind_parameter(1, row.prediction.as_str())?;
    statement.raw_bind_parameter(2, micros(row.due_at))?;
    statement.raw_bind_parameter(3, row.owner.as_ref().map(|node| &*node.0))?;
    statement.raw_bind_parameter(4, int(row.lease_no))?;
    statement.raw_bind_parameter(5, row.in_flight)?;
    statement.raw_bind_parameter(6, lane.want_start)?;
    statement.raw_bind_parameter(7, lane.want_progress.bits())?;
    statement.raw_bind_parameter(8, int(row.progress_revision))?;
    statement.raw_bind_parameter(9, last.map(|last| last.seq))?;
    statement.raw_bind_parameter(10, last.map_or(0, |last| last.attempts))?;
    statement.raw_bind_parameter(11, last.map_or(0, |last| last.tries))?;
    statement.raw_bind_parameter(12, micros(last.and_then(|last| last.first_attempt_at)))?;
    statement.raw_bind_parameter(13, last.map(|last| last.due_at.as_micros()))?;
    statement.raw_bind_parameter(14, last.is_some_and(|last| last.manual))?;
    statement.raw_bind_parameter(15, lane.next_seq)?;
    statement.raw_bind_parameter(16, micros(lane.last_progress_at))?;
    statement.raw_bind_parameter(17, lane.superseded)?;
    statement.raw_bind_parameter(18, lane.open)?;
    Ok(())
}

fn delete(db: &Connection, id: PredictionId) -> Outcome<()> {
    db.prepare_cached("DELETE FROM lane WHERE prediction_id = ?1")?.execute([id.as_str()])?;
    Ok(())
}

/// The lanes that this node holds, with their fences.
pub(super) fn held_by(db: &Connection, node: &NodeEpoch) -> Outcome<Vec<(PredictionId, u64)>> {
    let mut statement = db.prepare_cached("SELECT prediction_id, lease_no FROM lane WHERE owner = ?1")?;
    let mut rows = statement.query([&node.0])?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new("lane", row);
        held.push((row.parse("prediction_id")?, row.count("lease_no")?));
    }
    Ok(held)
}

fn decode_lane(row: &Row<'_>) -> Outcome<Lane> {
    Ok(Lane {
        want_start: row.get("want_start")?,
        want_progress: EventSet::from_bits(row.get("want_progress")?),
        last: decode_final(row)?,
        next_seq: row.get("next_seq")?,
        last_progress_at: row.optional_time("last_progress_at")?,
        superseded: row.get("superseded")?,
        open: row.get("open")?,
    })
}

fn decode_final(row: &Row<'_>) -> Outcome<Option<FinalMessage>> {
    let Some(seq) = row.get("final_seq")? else { return Ok(None) };
    Ok(Some(FinalMessage {
        seq,
        attempts: row.get("final_attempts")?,
        tries: row.get("final_tries")?,
        first_attempt_at: row.optional_time("final_first_attempt_at")?,
        due_at: row.time("final_due_at")?,
        manual: row.get("final_manual")?,
    }))
}
