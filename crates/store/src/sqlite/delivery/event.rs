//! Events: one for each final message, written with it. One thread writes, so the order of the positions is that of the commits.

use bytes::Bytes;
use cogwire_core::id::DeliveryId;
use cogwire_core::prediction::AccountId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::event::{EventCursor, EventRow, PAGE_BYTES};
use crate::lane::{LaneRow, NewMessage};
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::{Row, int};

/// The clock may have been set back: a position is always above the last one, also when that one is gone.
pub(in crate::sqlite) const INSERT: &str = "INSERT INTO event (prediction_id, seq, account, position)
    VALUES (?1, ?2, ?3, MAX(?4, 1 + COALESCE((SELECT MAX(position) FROM event WHERE account = ?3), 0),
      1 + COALESCE((SELECT position FROM event_gone WHERE account = ?3), 0)))";

pub(in crate::sqlite) const PAGE: &str =
    "SELECT e.prediction_id, e.seq, e.position, p.kind, d.created_at, d.size, d.body
    FROM event e CROSS JOIN delivery d ON d.prediction_id = e.prediction_id AND d.seq = e.seq
      CROSS JOIN prediction p ON p.id = e.prediction_id
    WHERE e.account = ?1 AND (e.position, e.prediction_id) > (?2, ?3)
    ORDER BY e.position, e.prediction_id LIMIT ?4";

pub(in crate::sqlite) const LATEST: &str = "SELECT prediction_id, position FROM event WHERE account = ?1
    ORDER BY position DESC, prediction_id DESC LIMIT 1";

const DELETE: &str = "DELETE FROM event WHERE prediction_id = ?1 AND seq = ?2 RETURNING account, position";

const REMEMBER: &str = "INSERT INTO event_gone (account, position, prediction_id) VALUES (?1, ?2, ?3)
    ON CONFLICT (account) DO UPDATE SET position = excluded.position, prediction_id = excluded.prediction_id
    WHERE excluded.position > event_gone.position";

const GONE: &str = "SELECT prediction_id, position FROM event_gone WHERE account = ?1";

/// Writes the event of a final message.
pub(super) fn insert(db: &Connection, row: &LaneRow, message: &NewMessage) -> Outcome<()> {
    let values = params![row.prediction.as_str(), message.seq, row.account.0, message.created_at.as_micros()];
    db.prepare_cached(INSERT)?.execute(values)?;
    Ok(())
}

pub(super) fn page(
    db: &Connection,
    account: &AccountId,
    after: Option<EventCursor>,
    limit: u32,
) -> Outcome<Vec<EventRow>> {
    let after = after.unwrap_or_else(EventCursor::start);
    let mut statement = db.prepare_cached(PAGE)?;
    let mut rows =
        statement.query(params![account.0, int(after.position), after.prediction.as_str(), limit])?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let row = Row::new("event", row);
        bytes += row.count("size")?;
        // The first one has room in any case.
        if bytes > PAGE_BYTES && !events.is_empty() {
            break;
        }
        events.push(decode(&row)?);
    }
    Ok(events)
}

fn decode(row: &Row<'_>) -> Outcome<EventRow> {
    let cursor = decode_cursor(row)?;
    Ok(EventRow {
        cursor,
        kind: row.parse("kind")?,
        delivery: DeliveryId { prediction: cursor.prediction, seq: row.get("seq")? },
        created_at: row.time("created_at")?,
        body: row.get::<Option<Vec<u8>>>("body")?.map(Bytes::from),
    })
}

/// Deletes the event of a message, if it has one, and remembers that it was there.
pub(super) fn forget(db: &Connection, id: DeliveryId) -> Outcome<()> {
    let mut statement = db.prepare_cached(DELETE)?;
    let place = |row: &rusqlite::Row<'_>| Ok((row.get("account")?, row.get("position")?));
    let deleted = statement.query_row(params![id.prediction.as_str(), id.seq], place).optional()?;
    let Some((account, position)): Option<(String, i64)> = deleted else { return Ok(()) };
    db.prepare_cached(REMEMBER)?.execute(params![account, position, id.prediction.as_str()])?;
    Ok(())
}

fn decode_cursor(row: &Row<'_>) -> Outcome<EventCursor> {
    let (position, prediction) = (row.count("position")?, row.parse("prediction_id")?);
    Ok(EventCursor { transaction: 0, position, prediction })
}

pub(super) fn latest(db: &Connection, account: &AccountId) -> Outcome<Option<EventCursor>> {
    place(db, LATEST, account)
}

pub(super) fn last_gone(db: &Connection, account: &AccountId) -> Outcome<Option<EventCursor>> {
    place(db, GONE, account)
}

fn place(db: &Connection, sql: &str, account: &AccountId) -> Outcome<Option<EventCursor>> {
    let mut statement = db.prepare_cached(sql)?;
    let found =
        statement.query_row([&account.0], |row| Ok(decode_cursor(&Row::new("event", row)))).optional()?;
    found.transpose()
}
