//! Reading messages and attempts, to explain them.

use std::time::Duration;

use bytes::Bytes;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, Params, params};

use crate::delivery::{Attempt, Backlog, Delivery, DeliveryState, ListDeliveries};
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::Row;

const COLUMNS: &str =
    "prediction_id, seq, account, event, url, state, body, body_sha256, size, superseded, attempts,
    next_attempt_at, created_at";

/// The same without the bytes: a list of large bodies does not belong into memory.
const WITHOUT_BODY: &str =
    "prediction_id, seq, account, event, url, state, NULL AS body, body_sha256, size, superseded, attempts,
    next_attempt_at, created_at";

/// Above every number of a message.
const AFTER_ALL: i64 = i64::MAX;

pub(super) fn deliveries(db: &Connection, prediction: PredictionId) -> Outcome<Vec<Delivery>> {
    let sql = format!("SELECT {WITHOUT_BODY} FROM delivery WHERE prediction_id = ?1 ORDER BY seq");
    select(db, &sql, [prediction.as_str()])
}

pub(super) fn delivery(db: &Connection, id: DeliveryId) -> Outcome<Option<(Delivery, Vec<Attempt>)>> {
    let sql = format!("SELECT {COLUMNS} FROM delivery WHERE prediction_id = ?1 AND seq = ?2");
    match select(db, &sql, params![id.prediction.as_str(), id.seq])?.pop() {
        Some(delivery) => Ok(Some((delivery, attempts(db, id)?))),
        None => Ok(None),
    }
}

pub(super) fn list(db: &Connection, query: &ListDeliveries) -> Outcome<Vec<Delivery>> {
    // The state is part of the text, so that the partial index of the rare states can be used.
    let state = query.state.map_or_else(String::new, |state| format!("AND state = '{state}'"));
    let sql = format!(
        "SELECT {WITHOUT_BODY} FROM delivery WHERE account = ?1 AND (prediction_id, seq) < (?2, ?3) {state}
         ORDER BY prediction_id DESC, seq DESC LIMIT ?4"
    );
    let (before, seq) = match &query.before {
        Some(id) => (id.prediction.as_str(), i64::from(id.seq)),
        None => ("~", AFTER_ALL),
    };
    select(db, &sql, params![query.account.0, before, seq, query.limit])
}

fn select(db: &Connection, sql: &str, values: impl Params) -> Outcome<Vec<Delivery>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        deliveries.push(decode(&Row::new("delivery", row))?);
    }
    Ok(deliveries)
}

fn decode(row: &Row<'_>) -> Outcome<Delivery> {
    Ok(Delivery {
        id: DeliveryId { prediction: row.parse("prediction_id")?, seq: row.get("seq")? },
        account: AccountId(row.text("account")?.into()),
        event: row.parse("event")?,
        url: row.get("url")?,
        state: row.parse("state")?,
        body: row.get::<Option<Vec<u8>>>("body")?.map(Bytes::from),
        body_sha256: row.get("body_sha256")?,
        size: row.count("size")?,
        superseded: row.get("superseded")?,
        attempts: row.get("attempts")?,
        next_attempt_at: row.optional_time("next_attempt_at")?,
        created_at: row.time("created_at")?,
    })
}

/// The recorded attempts of a message, in the order of their numbers.
pub(super) fn attempts(db: &Connection, id: DeliveryId) -> Outcome<Vec<Attempt>> {
    let sql =
        "SELECT prediction_id, number, started_at, duration_us, status, class, detail, manual, report FROM attempt
               WHERE prediction_id = ?1 AND seq = ?2 ORDER BY number";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![id.prediction.as_str(), id.seq])?;
    let mut attempts = Vec::new();
    while let Some(row) = rows.next()? {
        attempts.push(decode_attempt(&Row::new("attempt", row))?);
    }
    Ok(attempts)
}

fn decode_attempt(row: &Row<'_>) -> Outcome<Attempt> {
    Ok(Attempt {
        number: row.get("number")?,
        started_at: row.time("started_at")?,
        duration: Duration::from_micros(row.count("duration_us")?),
        status: row.get("status")?,
        class: row.get("class")?,
        detail: row.get("detail")?,
        manual: row.get("manual")?,
        report: row.parse_optional("report")?,
    })
}

pub(super) fn backlog(db: &Connection) -> Outcome<Backlog> {
    let (pending, oldest) = pending(db)?;
    let sql = format!("SELECT COUNT(*) FROM delivery WHERE state = '{}'", DeliveryState::Exhausted);
    let exhausted: i64 = db.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
    Ok(Backlog { pending, oldest, exhausted: exhausted.unsigned_abs() })
}

/// Every message that waits has a lane, so the messages that do not are not looked at.
fn pending(db: &Connection) -> Outcome<(u64, Option<Timestamp>)> {
    let sql = "SELECT COUNT(*), MIN(COALESCE(final_first_attempt_at, final_due_at)) FROM lane WHERE final_seq IS NOT NULL";
    let counted = db.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (pending, oldest): (i64, Option<i64>) = counted;
    Ok((pending.unsigned_abs(), oldest.map(Timestamp::from_micros)))
}
