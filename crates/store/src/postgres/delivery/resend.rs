//! Owing a message again, and forgetting messages.

use std::sync::LazyLock;
use std::time::Duration;

use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use futures_util::future::try_join;
use tokio_postgres::types::ToSql;

use super::event;
use super::lane::{LockedLanes, write_lanes};
use super::message::{decode_id, keys};
use crate::delivery::{ResendOutcome, ResendSince, ResentSince};
use crate::lane::{LaneRow, SentMessage, Write, owe_again};
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::Row;

/// Messages to forget, with their attempts: a range of the primary key, for a message is never older than its prediction,
/// whose id tells its time. One that was given up has its time from then on, so that it can be sent again. Nodes that sweep at once take different ones, and a message that is being sent again stays.
///
/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
pub(in crate::postgres) static SWEEP: LazyLock<String> = LazyLock::new(|| {
    let remember = event::REMEMBER;
    format!(
        "WITH old AS (
           SELECT prediction_id, seq FROM delivery
           WHERE prediction_id < $1 AND created_at < $2 AND state IN ('delivered', 'failed', 'interrupted', 'exhausted')
             AND (state <> 'exhausted' OR NOT EXISTS (
               SELECT 1 FROM attempt WHERE attempt.prediction_id = ANY (ARRAY[delivery.prediction_id])
                 AND attempt.seq = delivery.seq AND attempt.started_at >= $2))
             AND NOT EXISTS (
               SELECT 1 FROM lane WHERE lane.prediction_id = ANY (ARRAY[delivery.prediction_id]) AND final_seq IS NOT NULL)
           ORDER BY prediction_id, seq LIMIT $3 FOR UPDATE SKIP LOCKED),
         messages AS (
           DELETE FROM delivery USING old
           WHERE delivery.prediction_id = ANY (ARRAY[old.prediction_id]) AND delivery.seq = old.seq),
         events AS (
           DELETE FROM event USING old
           WHERE event.prediction_id = ANY (ARRAY[old.prediction_id]) AND event.seq = old.seq
           RETURNING event.*),
         gone AS ({remember}),
         attempts AS (
           DELETE FROM attempt USING old
           WHERE attempt.prediction_id = ANY (ARRAY[old.prediction_id]) AND attempt.seq = old.seq)
         SELECT count(*) FROM old"
    )
});

/// The precision of the time in an id.
const MILLISECOND: Duration = Duration::from_millis(1);

/// The exhausted messages, which have an index of their own, oldest first, and whether each was made or tried since a time. A row
/// is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
pub(in crate::postgres) const EXHAUSTED: &str = "
    SELECT prediction_id, seq, created_at >= $2 OR EXISTS (
        SELECT 1 FROM attempt WHERE attempt.prediction_id = ANY (ARRAY[delivery.prediction_id])
          AND attempt.seq = delivery.seq AND attempt.started_at >= $2) AS is_since
    FROM delivery
    WHERE state = 'exhausted' AND account = $1 AND (prediction_id, seq) > ($3, $4)
    ORDER BY prediction_id, seq LIMIT $5";

/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
pub(in crate::postgres) const LOCK_SENT: &str = "
    SELECT d.prediction_id, d.seq, d.account, d.url, d.origin, d.state, d.body IS NOT NULL AS has_body, d.attempts,
      d.lease_no, p.webhook_options
    FROM unnest($1::text[], $2::bigint[]) AS wanted (prediction_id, seq)
      JOIN delivery d ON d.prediction_id = ANY (ARRAY[wanted.prediction_id]) AND d.seq = wanted.seq
      LEFT JOIN prediction p ON p.id = ANY (ARRAY[d.prediction_id])
    ORDER BY d.prediction_id, d.seq FOR UPDATE OF d";

pub(in crate::postgres) const SET_PENDING: &str = "
    UPDATE delivery SET state = 'pending', next_attempt_at = $3
    FROM unnest($1::text[], $2::bigint[]) AS queued (prediction_id, seq)
    WHERE delivery.prediction_id = ANY (ARRAY[queued.prediction_id]) AND delivery.seq = queued.seq";

/// Of two at once the second waits for the first, and finds the message pending.
pub(super) async fn resend(db: Db, id: DeliveryId, now: Timestamp) -> Outcome<ResendOutcome> {
    let (lanes, mut messages) = lock(&db, &[id]).await?;
    let Some(message) = messages.pop() else { return Ok(ResendOutcome::NotFound) };
    if let Some(refusal) = message.refusal() {
        return Ok(refusal);
    }
    queue(&db, vec![message], lanes, now).await?;
    Ok(ResendOutcome::Queued)
}

/// Those that somebody else resends at the same moment are not counted.
pub(super) async fn resend_since(db: Db, wanted: &ResendSince, now: Timestamp) -> Outcome<ResentSince> {
    let found = exhausted(&db, wanted).await?;
    let next = found.last().filter(|_| found.len() == wanted.limit as usize).map(|(id, _)| *id);
    let since: Vec<DeliveryId> = found.iter().filter(|(_, is_since)| *is_since).map(|(id, _)| *id).collect();
    let (lanes, mut messages) = lock(&db, &since).await?;
    messages.retain(SentMessage::is_given_up);
    let queued = u32::try_from(messages.len()).unwrap_or(u32::MAX);
    queue(&db, messages, lanes, now).await?;
    Ok(ResentSince { queued, next })
}

/// Some of the account's exhausted messages, and whether each was made or tried since the time that is asked for.
async fn exhausted(db: &Db, wanted: &ResendSince) -> Outcome<Vec<(DeliveryId, bool)>> {
    let ResendSince { account, since, after, limit } = wanted;
    let (after, seq) =
        after.as_ref().map_or(("", 0), |after| (after.prediction.as_str(), i64::from(after.seq)));
    let values: [&(dyn ToSql + Sync); 5] =
        [&&*account.0, &since.as_micros(), &after, &seq, &i64::from(*limit)];
    let rows = db.query(EXHAUSTED, &values).await?;
    let decode = |row: Row<'_>| Ok((decode_id(row)?, row.get("is_since")?));
    rows.iter().map(|row| decode(Row::new("delivery", row))).collect()
}

/// Locks messages and their lanes, as far as they are stored; both in the order of their ids.
async fn lock(db: &Db, ids: &[DeliveryId]) -> Outcome<(LockedLanes, Vec<SentMessage>)> {
    let lanes = LockedLanes::lock(db, ids.iter().map(|id| id.prediction));
    try_join(lanes, lock_messages(db, ids)).await
}

async fn lock_messages(db: &Db, ids: &[DeliveryId]) -> Outcome<Vec<SentMessage>> {
    let (predictions, seqs) = keys(ids);
    let rows = db.query(LOCK_SENT, &[&predictions, &seqs]).await?;
    rows.iter().map(|row| decode(Row::new("delivery", row))).collect()
}

async fn queue(db: &Db, messages: Vec<SentMessage>, mut lanes: LockedLanes, now: Timestamp) -> Outcome<()> {
    let ids: Vec<DeliveryId> = messages.iter().map(|message| message.id).collect();
    let owed = messages.into_iter().map(|message| {
        let stored = lanes.take(message.id.prediction);
        owe_again(message, stored, now)
    });
    let owed: Vec<(LaneRow, Write)> = owed.collect();
    try_join(write_lanes(db, owed.iter().map(|(row, write)| (row, *write))), set_pending(db, &ids, now))
        .await?;
    Ok(())
}

fn decode(row: Row<'_>) -> Outcome<SentMessage> {
    Ok(SentMessage {
        id: decode_id(row)?,
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

async fn set_pending(db: &Db, ids: &[DeliveryId], now: Timestamp) -> Outcome<()> {
    let (predictions, seqs) = keys(ids);
    db.execute(SET_PENDING, &[&predictions, &seqs, &now.as_micros()]).await.map(|_| ())
}

pub(super) async fn sweep(db: Db, cutoff: Timestamp, limit: u32) -> Outcome<u64> {
    let not_older = PredictionId::first_at(cutoff + MILLISECOND);
    let row = db.query_one(&SWEEP, &[&not_older.as_str(), &cutoff.as_micros(), &i64::from(limit)]).await?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}
