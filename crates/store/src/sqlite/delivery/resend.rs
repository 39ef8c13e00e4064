//! Owing a message again, and forgetting messages.

use std::time::Duration;

use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{event, lane};
use crate::delivery::{DeliveryState, ResendOutcome, ResendSince};
use crate::lane::{SentMessage, owe_again};
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::Row;

/// Messages to forget. A message is never older than its prediction, whose id tells its time, so old messages are a range
/// of the primary key. One that was given up has its time from then on, so that it can be sent again.
pub(in crate::sqlite) const OLD: &str = "SELECT prediction_id, seq FROM delivery
    WHERE prediction_id < ?1 AND created_at < ?2 AND state IN ('delivered', 'failed', 'interrupted', 'exhausted')
      AND (state <> 'exhausted' OR NOT EXISTS (
        SELECT 1 FROM attempt WHERE attempt.prediction_id = delivery.prediction_id AND attempt.seq = delivery.seq
          AND attempt.started_at >= ?2))
      AND NOT EXISTS (SELECT 1 FROM lane WHERE lane.prediction_id = delivery.prediction_id AND final_seq IS NOT NULL)
    ORDER BY prediction_id, seq LIMIT ?3";

/// The precision of the time in an id.
const MILLISECOND: Duration = Duration::from_millis(1);

/// The exhausted messages, which have an index of their own, oldest first, and whether each was made or tried since a time.
pub(in crate::sqlite) const EXHAUSTED: &str = "SELECT prediction_id, seq, created_at >= ?2 OR EXISTS (
        SELECT 1 FROM attempt WHERE attempt.prediction_id = delivery.prediction_id AND attempt.seq = delivery.seq
          AND attempt.started_at >= ?2) AS is_since
    FROM delivery
    WHERE state = 'exhausted' AND account = ?1 AND (prediction_id, seq) > (?3, ?4)
    ORDER BY prediction_id, seq LIMIT ?5";

/// Exhausted messages that were looked at.
pub(super) struct Exhausted {
    /// Those that were made or tried since the time that is asked for.
    pub(super) since: Vec<DeliveryId>,
    /// The last of all, when there may be more.
    pub(super) next: Option<DeliveryId>,
}

pub(super) fn resend(db: &Connection, id: DeliveryId, now: Timestamp) -> Outcome<ResendOutcome> {
    let Some(message) = find(db, id)? else { return Ok(ResendOutcome::NotFound) };
    match message.refusal() {
        Some(refusal) => Ok(refusal),
        None => queue(db, message, now).map(|()| ResendOutcome::Queued),
    }
}

fn queue(db: &Connection, message: SentMessage, now: Timestamp) -> Outcome<()> {
    let id = message.id;
    let (row, write) = owe_again(message, lane::find(db, id.prediction)?, now);
    lane::write(db, &row, write)?;
    let sql = "UPDATE delivery SET state = ?3, next_attempt_at = ?4 WHERE prediction_id = ?1 AND seq = ?2";
    let state = DeliveryState::Pending.as_str();
    db.prepare_cached(sql)?.execute(params![id.prediction.as_str(), id.seq, state, now.as_micros()])?;
    Ok(())
}

/// Looks at some of the account's exhausted messages.
pub(super) fn exhausted(db: &Connection, wanted: &ResendSince) -> Outcome<Exhausted> {
    let ResendSince { account, since, after, limit } = wanted;
    let (after, seq) = after.as_ref().map_or(("", 0), |after| (after.prediction.as_str(), after.seq));
    let mut statement = db.prepare_cached(EXHAUSTED)?;
    let mut rows = statement.query(params![account.0, since.as_micros(), after, seq, limit])?;
    let (mut found, mut last, mut looked_at) = (Vec::new(), None, 0);
    while let Some(row) = rows.next()? {
        let row = Row::new("delivery", row);
        let id = decode_id(&row)?;
        if row.get("is_since")? {
            found.push(id);
        }
        last = Some(id);
        looked_at += 1;
    }
    Ok(Exhausted { since: found, next: last.filter(|_| looked_at == *limit) })
}

/// Owes those again that are exhausted still, and says how many.
pub(super) fn resend_exhausted(db: &Connection, ids: &[DeliveryId], now: Timestamp) -> Outcome<u32> {
    let mut queued = 0;
    for id in ids {
        let exhausted = find(db, *id)?.filter(SentMessage::is_given_up);
        if let Some(message) = exhausted {
            queue(db, message, now)?;
            queued += 1;
        }
    }
    Ok(queued)
}

fn decode_id(row: &Row<'_>) -> Outcome<DeliveryId> {
    Ok(DeliveryId { prediction: row.parse("prediction_id")?, seq: row.get("seq")? })
}

fn find(db: &Connection, id: DeliveryId) -> Outcome<Option<SentMessage>> {
    let sql =
        "SELECT d.prediction_id, d.account, d.url, d.origin, d.state, d.body IS NOT NULL AS has_body, d.attempts, d.lease_no,
                 p.webhook_options
               FROM delivery d LEFT JOIN prediction p ON p.id = d.prediction_id
               WHERE d.prediction_id = ?1 AND d.seq = ?2";
    let mut statement = db.prepare_cached(sql)?;
    let values = params![id.prediction.as_str(), id.seq];
    let found = statement.query_row(values, |row| Ok(decode(id, &Row::new("delivery", row)))).optional()?;
    found.transpose()
}

fn decode(id: DeliveryId, row: &Row<'_>) -> Outcome<SentMessage> {
    Ok(SentMessage {
        id,
        account: AccountId(row.text("account")?.into()),
        url: row.get("url")?,
        origin: row.get("origin")?,
        options: row.parse_optional("webhook_options")?.unwrap_or_default(),
        state: row.parse("state")?,
        has_body: row.get("has_body")?,
        attempts: row.get("attempts")?,
        lease_no: row.count("lease_no")?,
    })
}

pub(super) fn sweep(db: &Connection, cutoff: Timestamp, limit: u32) -> Outcome<u64> {
    let old = old_messages(db, cutoff, limit)?;
    for id in &old {
        let key = params![id.prediction.as_str(), id.seq];
        db.prepare_cached("DELETE FROM attempt WHERE prediction_id = ?1 AND seq = ?2")?.execute(key)?;
        event::forget(db, *id)?;
        db.prepare_cached("DELETE FROM delivery WHERE prediction_id = ?1 AND seq = ?2")?.execute(key)?;
    }
    Ok(old.len() as u64)
}

fn old_messages(db: &Connection, cutoff: Timestamp, limit: u32) -> Outcome<Vec<DeliveryId>> {
    let not_older = PredictionId::first_at(cutoff + MILLISECOND);
    let mut statement = db.prepare_cached(OLD)?;
    let mut rows = statement.query(params![not_older.as_str(), cutoff.as_micros(), limit])?;
    let mut old = Vec::new();
    while let Some(row) = rows.next()? {
        old.push(decode_id(&Row::new("delivery", row))?);
    }
    Ok(old)
}
