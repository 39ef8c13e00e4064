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

/// Every message that waits has a lane: those of free ones are counted in their index, and those that are held are few.
pub(in crate::sqlite) const BACKLOG: &str = "SELECT free, due, free_since, held, held_since,
      (SELECT COUNT(*) FROM delivery WHERE state = 'exhausted') AS exhausted
    FROM (
      SELECT COUNT(*) AS free, COUNT(*) FILTER (WHERE final_due_at <= ?1) AS due,
        MIN(COALESCE(final_first_attempt_at, final_due_at)) AS free_since
      FROM lane WHERE owner IS NULL AND due_at IS NOT NULL AND final_seq IS NOT NULL),
    (
      SELECT COUNT(*) AS held, MIN(COALESCE(final_first_attempt_at, final_due_at)) AS held_since
      FROM lane WHERE owner IS NOT NULL AND final_seq IS NOT NULL)";

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
    let sql = list_sql(query.state);
    let (before, seq) = match &query.before {
        Some(id) => (id.prediction.as_str(), i64::from(id.seq)),
        None => ("~", AFTER_ALL),
    };
    select(db, &sql, params![query.account.0, before, seq, query.limit])
}

/// What is unsent is found by its lanes, which are fewer than all messages. The state is part of the text, so that the partial
/// index of exhausted ones can be used.
fn list_sql(state: Option<DeliveryState>) -> String {
    let owed = |seq: &str| {
        format!(
            "SELECT {WITHOUT_BODY} FROM (
               SELECT prediction_id AS whose, {seq} AS owed FROM lane
               WHERE account = ?1 AND {seq} IS NOT NULL AND (prediction_id, {seq}) < (?2, ?3)
               ORDER BY prediction_id DESC LIMIT ?4)
             CROSS JOIN delivery ON prediction_id = whose AND seq = owed ORDER BY prediction_id DESC"
        )
    };
    let all = |of_state: &str| {
        format!(
            "SELECT {WITHOUT_BODY} FROM delivery WHERE account = ?1 AND (prediction_id, seq) < (?2, ?3) {of_state}
             ORDER BY prediction_id DESC, seq DESC LIMIT ?4"
        )
    };
    match state {
        Some(DeliveryState::Pending) => owed("final_seq"),
        Some(DeliveryState::Sending) => owed("in_flight_seq"),
        Some(state) => all(&format!("AND state = '{state}'")),
        None => all(""),
    }
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

pub(super) fn backlog(db: &Connection, now: Timestamp) -> Outcome<Backlog> {
    let count = |row: &Row<'_>| {
        let held = row.count("held")?;
        let oldest = [row.optional_time("free_since")?, row.optional_time("held_since")?];
        Ok(Backlog {
            pending: row.count("free")? + held,
            due: row.count("due")? + held,
            oldest: oldest.into_iter().flatten().min(),
            exhausted: row.count("exhausted")?,
        })
    };
    db.prepare_cached(BACKLOG)?.query_row([now.as_micros()], |row| Ok(count(&Row::new("lane", row))))?
}
