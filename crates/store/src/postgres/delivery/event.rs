//! Events: one for each final message, written by the statement that writes the message.
//!
//! A transaction gets its number before it is over, and another one that began later may be over sooner. So a reader sees only
//! events of transactions below every one that is still going on: whatever comes later has a higher number. One that goes on
//! for long, also of somebody else in the same server, holds readers up and loses nothing.

use bytes::Bytes;
use cogwire_core::id::DeliveryId;
use cogwire_core::prediction::AccountId;

use crate::event::{EventCursor, EventRow, PAGE_BYTES};
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int};

/// The part of a statement that makes events of the final messages among `messages`, which it inserts.
pub(in crate::postgres) const INSERT: &str = "
    INSERT INTO event (prediction_id, seq, account, position, transaction)
    SELECT prediction_id, seq, account, created_at, pg_current_xact_id()::text::bigint FROM messages
    WHERE event = 'completed'";

/// A cursor of a transaction that this server has not come to is from before a restore: see [`crate::postgres`]'s `restored`. Its
/// reader goes on by the time, and from a minute earlier: ends do not become durable in quite the order of their times.
///
/// The sizes of bodies are known without reading them, so those beyond the page are never read and sent. A row is found as
/// `= ANY (ARRAY[…])`: see [`crate::postgres`].
pub(in crate::postgres) const PAGE: &str = "
    SELECT prediction_id, kind, seq, transaction, position, created_at, body FROM (
      SELECT event.*, prediction.kind, delivery.created_at, delivery.body, delivery.size,
        sum(delivery.size) OVER (ORDER BY transaction, position, event.prediction_id ROWS UNBOUNDED PRECEDING) AS total
      FROM event JOIN delivery ON delivery.prediction_id = ANY (ARRAY[event.prediction_id]) AND delivery.seq = event.seq
        JOIN prediction ON prediction.id = ANY (ARRAY[event.prediction_id])
      WHERE event.account = $1 AND (transaction, position, event.prediction_id) > (
          CASE WHEN $2::bigint < pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN $2::bigint ELSE 0 END,
          CASE WHEN $2::bigint < pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN $3::bigint
            ELSE $3::bigint - 60000000 END,
          $4)
        AND transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
      ORDER BY transaction, position, event.prediction_id LIMIT $5) AS page
    WHERE total <= $6::bigint OR total = size ORDER BY transaction, position, prediction_id";

pub(in crate::postgres) const LATEST: &str = "
    SELECT prediction_id, transaction, position FROM event
    WHERE account = $1 AND transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    ORDER BY transaction DESC, position DESC, prediction_id DESC LIMIT 1";

/// The part of a statement that remembers those of `events`, which it deletes. Accounts come in their order: of statements that
/// do this at once none waits for another in a circle.
pub(super) const REMEMBER: &str = "
    INSERT INTO event_gone (account, transaction, position, prediction_id)
    SELECT DISTINCT ON (account) account, transaction, position, prediction_id FROM events
    ORDER BY account, transaction DESC, position DESC, prediction_id DESC
    ON CONFLICT (account) DO UPDATE
      SET transaction = EXCLUDED.transaction, position = EXCLUDED.position, prediction_id = EXCLUDED.prediction_id
      WHERE (EXCLUDED.transaction, EXCLUDED.position, EXCLUDED.prediction_id)
        > (event_gone.transaction, event_gone.position, event_gone.prediction_id)";

const GONE: &str = "SELECT prediction_id, transaction, position FROM event_gone WHERE account = $1";

pub(super) async fn page(
    db: Db,
    account: &AccountId,
    after: Option<EventCursor>,
    limit: u32,
) -> Outcome<Vec<EventRow>> {
    let after = after.unwrap_or_else(EventCursor::start);
    let (transaction, position) = (int(after.transaction), int(after.position));
    let (account, prediction) = (&*account.0, after.prediction.as_str());
    let (limit, bytes) = (i64::from(limit), int(PAGE_BYTES));
    let rows = db.query(PAGE, &[&account, &transaction, &position, &prediction, &limit, &bytes]).await?;
    rows.iter().map(|row| decode(Row::new("event", row))).collect()
}

fn decode(row: Row<'_>) -> Outcome<EventRow> {
    let cursor = decode_cursor(row)?;
    Ok(EventRow {
        cursor,
        kind: row.parse("kind")?,
        delivery: DeliveryId { prediction: cursor.prediction, seq: row.number("seq")? },
        created_at: row.time("created_at")?,
        body: row.get::<Option<&[u8]>>("body")?.map(Bytes::copy_from_slice),
    })
}

fn decode_cursor(row: Row<'_>) -> Outcome<EventCursor> {
    Ok(EventCursor {
        transaction: row.count("transaction")?,
        position: row.count("position")?,
        prediction: row.parse("prediction_id")?,
    })
}

pub(super) async fn latest(db: Db, account: &AccountId) -> Outcome<Option<EventCursor>> {
    place(db, LATEST, account).await
}

pub(super) async fn last_gone(db: Db, account: &AccountId) -> Outcome<Option<EventCursor>> {
    place(db, GONE, account).await
}

async fn place(db: Db, sql: &str, account: &AccountId) -> Outcome<Option<EventCursor>> {
    let row = db.query_optional(sql, &[&&*account.0]).await?;
    row.map(|row| decode_cursor(Row::new("event", &row))).transpose()
}
