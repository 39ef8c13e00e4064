//! Reading messages and attempts, to explain them.

use bytes::Bytes;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use futures_util::future::try_join;
use tokio_postgres::types::ToSql;

use super::attempt::{self, ATTEMPT};
use super::message::decode_id;
use crate::delivery::{Attempt, Backlog, Delivery, DeliveryState, ListDeliveries};
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::Row;

const COLUMNS: &str =
    "prediction_id, seq, account, event, url, state, body, body_sha256, size, superseded, attempts,
    next_attempt_at, created_at";

/// The same without the bytes: a list of large bodies does not belong into memory.
const WITHOUT_BODY: &str =
    "prediction_id, seq, account, event, url, state, NULL::bytea AS body, body_sha256, size, superseded, attempts,
    next_attempt_at, created_at";

/// Above every number of a message.
const AFTER_ALL: i64 = i64::MAX;

/// Every message that waits has a lane, so the messages that do not are not looked at. What is held is under way, whenever it
/// was due. An index that has all of this would be written to by every claim, and be of no use until a vacuum.
pub(super) const BACKLOG: &str = "
    SELECT count(*) AS pending, count(*) FILTER (WHERE final_due_at <= $1 OR owner IS NOT NULL) AS due,
      min(COALESCE(final_first_attempt_at, final_due_at)) AS oldest,
      (SELECT count(*) FROM delivery WHERE state = 'exhausted') AS exhausted
    FROM lane WHERE final_seq IS NOT NULL";

pub(super) async fn deliveries(db: Db, prediction: PredictionId) -> Outcome<Vec<Delivery>> {
    let sql = format!("SELECT {WITHOUT_BODY} FROM delivery WHERE prediction_id = $1 ORDER BY seq");
    select(&db, &sql, &[&prediction.as_str()]).await
}

pub(super) async fn delivery(db: Db, id: DeliveryId) -> Outcome<Option<(Delivery, Vec<Attempt>)>> {
    let sql = format!("SELECT {COLUMNS} FROM delivery WHERE prediction_id = $1 AND seq = $2");
    let (prediction, seq) = (id.prediction.as_str(), i64::from(id.seq));
    let key: [&(dyn ToSql + Sync); 2] = [&prediction, &seq];
    let (mut found, attempts) = try_join(select(&db, &sql, &key), attempts(&db, &key)).await?;
    Ok(found.pop().map(|delivery| (delivery, attempts)))
}

async fn attempts(db: &Db, key: &[&(dyn ToSql + Sync)]) -> Outcome<Vec<Attempt>> {
    let columns = ATTEMPT.names();
    let sql = format!("SELECT {columns} FROM attempt WHERE prediction_id = $1 AND seq = $2 ORDER BY number");
    let rows = db.query(&sql, key).await?;
    rows.iter().map(|row| attempt::decode(Row::new("attempt", row))).collect()
}

pub(super) async fn list(db: Db, query: &ListDeliveries) -> Outcome<Vec<Delivery>> {
    let sql = list_sql(query.state);
    let (before, seq) = match &query.before {
        Some(id) => (id.prediction.as_str(), i64::from(id.seq)),
        None => ("~", AFTER_ALL),
    };
    select(&db, &sql, &[&&*query.account.0, &before, &seq, &i64::from(query.limit)]).await
}

/// What is unsent is found by its lanes, which are fewer than all messages. The state is part of the text, so that the partial
/// index of exhausted ones can be used. A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
fn list_sql(state: Option<DeliveryState>) -> String {
    let owed = |seq: &str| {
        format!(
            "SELECT {WITHOUT_BODY} FROM (
               SELECT prediction_id AS whose, {seq} AS owed FROM lane
               WHERE account = $1 AND {seq} IS NOT NULL AND (prediction_id, {seq}) < ($2, $3)
               ORDER BY prediction_id DESC LIMIT $4) AS unsent
             JOIN delivery ON prediction_id = ANY (ARRAY[whose]) AND seq = owed ORDER BY prediction_id DESC"
        )
    };
    let all = |of_state: &str| {
        format!(
            "SELECT {WITHOUT_BODY} FROM delivery WHERE account = $1 AND (prediction_id, seq) < ($2, $3) {of_state}
             ORDER BY prediction_id DESC, seq DESC LIMIT $4"
        )
    };
    match state {
        Some(DeliveryState::Pending) => owed("final_seq"),
        Some(DeliveryState::Sending) => owed("in_flight_seq"),
        Some(state) => all(&format!("AND state = '{state}'")),
        None => all(""),
    }
}

async fn select(db: &Db, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Outcome<Vec<Delivery>> {
    let rows = db.query(sql, values).await?;
    rows.iter().map(|row| decode(Row::new("delivery", row))).collect()
}

fn decode(row: Row<'_>) -> Outcome<Delivery> {
    Ok(Delivery {
        id: decode_id(row)?,
        account: AccountId(row.get::<&str>("account")?.into()),
        event: row.parse("event")?,
        url: row.get("url")?,
        state: row.parse("state")?,
        body: row.get::<Option<&[u8]>>("body")?.map(Bytes::copy_from_slice),
        body_sha256: row.bytes("body_sha256")?,
        size: row.count("size")?,
        superseded: row.number("superseded")?,
        attempts: row.number("attempts")?,
        next_attempt_at: row.optional_time("next_attempt_at")?,
        created_at: row.time("created_at")?,
    })
}

pub(super) async fn backlog(db: Db, now: Timestamp) -> Outcome<Backlog> {
    let row = db.query_one(BACKLOG, &[&now.as_micros()]).await?;
    let row = Row::new("lane", &row);
    Ok(Backlog {
        pending: row.count("pending")?,
        due: row.count("due")?,
        oldest: row.optional_time("oldest")?,
        exhausted: row.count("exhausted")?,
    })
}
