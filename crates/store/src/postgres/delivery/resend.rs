//! Owing a message again, and forgetting messages.

use std::time::Duration;

use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use futures_util::future::try_join;

use super::lane::{LockedLanes, write_lanes};
use crate::delivery::{DeliveryState, ResendOutcome};
use crate::lane::{SentMessage, owe_again};
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::Row;

/// Messages to forget, with their attempts: a range of the primary key, for a message is never older than its prediction,
/// whose id tells its time. Nodes that sweep at once take different ones, and a message that is being sent again stays.
///
/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
pub(in crate::postgres) const SWEEP: &str = "
    WITH old AS (
      SELECT prediction_id, seq FROM delivery
      WHERE prediction_id < $1 AND created_at < $2 AND state IN ('delivered', 'failed', 'interrupted', 'exhausted')
        AND NOT EXISTS (
          SELECT 1 FROM lane WHERE lane.prediction_id = ANY (ARRAY[delivery.prediction_id]) AND final_seq IS NOT NULL)
      ORDER BY prediction_id, seq LIMIT $3 FOR UPDATE SKIP LOCKED),
    messages AS (
      DELETE FROM delivery USING old
      WHERE delivery.prediction_id = ANY (ARRAY[old.prediction_id]) AND delivery.seq = old.seq),
    events AS (
      DELETE FROM event USING old
      WHERE event.prediction_id = ANY (ARRAY[old.prediction_id]) AND event.seq = old.seq),
    attempts AS (
      DELETE FROM attempt USING old
      WHERE attempt.prediction_id = ANY (ARRAY[old.prediction_id]) AND attempt.seq = old.seq)
    SELECT count(*) FROM old";

/// The precision of the time in an id.
const MILLISECOND: Duration = Duration::from_millis(1);

/// Of two at once the second waits for the first, and finds the message pending.
pub(super) async fn resend(db: Db, id: DeliveryId, now: Timestamp) -> Outcome<ResendOutcome> {
    let lanes = LockedLanes::lock(&db, std::iter::once(id.prediction));
    let (mut lanes, message) = try_join(lanes, lock_message(&db, id)).await?;
    let Some(message) = message else { return Ok(ResendOutcome::NotFound) };
    if let Some(refusal) = message.refusal() {
        return Ok(refusal);
    }
    let (row, write) = owe_again(message, lanes.take(id.prediction), now);
    try_join(write_lanes(&db, std::iter::once((&row, write))), set_pending(&db, id, now)).await?;
    Ok(ResendOutcome::Queued)
}

async fn lock_message(db: &Db, id: DeliveryId) -> Outcome<Option<SentMessage>> {
    let sql =
        "SELECT d.prediction_id, d.account, d.url, d.origin, d.state, d.body IS NOT NULL AS has_body, d.attempts, d.lease_no,
                 p.webhook_options
               FROM delivery d LEFT JOIN prediction p ON p.id = d.prediction_id
               WHERE d.prediction_id = $1 AND d.seq = $2 FOR UPDATE OF d";
    let row = db.query_optional(sql, &[&id.prediction.as_str(), &i64::from(id.seq)]).await?;
    row.map(|row| decode(id, Row::new("delivery", &row))).transpose()
}

fn decode(id: DeliveryId, row: Row<'_>) -> Outcome<SentMessage> {
    Ok(SentMessage {
        id,
        account: AccountId(row.get::<&str>("account")?.into()),
        url: row.get("url")?,
        origin: row.get("origin")?,
        options: row.parse_optional("webhook_options")?.unwrap_or_default(),
        state: row.parse("state")?,
        has_body: row.get("has_body")?,
        attempts: row.number("attempts")?,
        lease_no: row.count("lease_no")?,
    })
}

async fn set_pending(db: &Db, id: DeliveryId, now: Timestamp) -> Outcome<()> {
    let sql = "UPDATE delivery SET state = $3, next_attempt_at = $4 WHERE prediction_id = $1 AND seq = $2";
    let (seq, state) = (i64::from(id.seq), DeliveryState::Pending.as_str());
    db.execute(sql, &[&id.prediction.as_str(), &seq, &state, &now.as_micros()]).await?;
    Ok(())
}

pub(super) async fn sweep(db: Db, cutoff: Timestamp, limit: u32) -> Outcome<u64> {
    let not_older = PredictionId::first_at(cutoff + MILLISECOND);
    let row = db.query_one(SWEEP, &[&not_older.as_str(), &cutoff.as_micros(), &i64::from(limit)]).await?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}
