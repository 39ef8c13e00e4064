//! Rows of `delivery`: writing, locking and changing many at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use bytes::Bytes;
use cogwire_core::id::DeliveryId;
use cogwire_core::time::Timestamp;
use tokio_postgres::types::ToSql;

use super::event;
use crate::delivery::{ClaimedLane, DeliveryState};
use crate::lane::{LaneRow, NewMessage, Settled};
use crate::postgres::columns::Shape;
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int, micros};

/// All columns but the number of attempts, of which a new message has none.
pub(in crate::postgres) const MESSAGE: Shape<'_> = Shape(&[
    ("prediction_id", "text"),
    ("seq", "bigint"),
    ("account", "text"),
    ("event", "text"),
    ("url", "text"),
    ("origin", "text"),
    ("state", "text"),
    ("body", "bytea"),
    ("body_sha256", "bytea"),
    ("size", "bigint"),
    ("superseded", "bigint"),
    ("next_attempt_at", "bigint"),
    ("lease_no", "bigint"),
    ("created_at", "bigint"),
]);

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let (columns, new) = (MESSAGE.names(), MESSAGE.rows(0, "new"));
    let event = event::INSERT;
    format!(
        "WITH messages AS (
           INSERT INTO delivery ({columns}, attempts) SELECT new.*, 0 FROM {new} RETURNING delivery.*)
         {event}"
    )
});

/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
pub(in crate::postgres) const UPDATE: &str = "
    UPDATE delivery SET state = COALESCE(change.state, delivery.state), attempts = delivery.attempts + change.attempts,
      next_attempt_at = CASE WHEN change.state IS NULL THEN delivery.next_attempt_at ELSE change.next_attempt_at END,
      lease_no = COALESCE(change.lease_no, delivery.lease_no)
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
      AS change (prediction_id, seq, state, next_attempt_at, lease_no, attempts)
    WHERE delivery.prediction_id = ANY (ARRAY[change.prediction_id]) AND delivery.seq = change.seq";

pub(in crate::postgres) const LOCK: &str = "
    SELECT delivery.prediction_id FROM unnest($1::text[], $2::bigint[]) AS wanted (prediction_id, seq)
      JOIN delivery ON delivery.prediction_id = ANY (ARRAY[wanted.prediction_id]) AND delivery.seq = wanted.seq
    ORDER BY delivery.prediction_id, delivery.seq FOR UPDATE OF delivery";

pub(in crate::postgres) const BODIES: &str = "
    SELECT delivery.prediction_id, delivery.seq, body FROM unnest($1::text[], $2::bigint[]) AS wanted (prediction_id, seq)
      JOIN delivery ON delivery.prediction_id = ANY (ARRAY[wanted.prediction_id]) AND delivery.seq = wanted.seq
    WHERE body IS NOT NULL";

/// Writes messages for the first time, and the events of those that are final.
pub(super) async fn insert_messages(db: &Db, messages: &MessageColumns<'_>) -> Outcome<()> {
    if messages.is_empty() {
        return Ok(());
    }
    db.execute(&INSERT, &messages.values()).await.map(|_| ())
}

/// Rows of `delivery`, column by column.
#[derive(Default)]
pub(in crate::postgres) struct MessageColumns<'a> {
    prediction_id: Vec<&'a str>,
    seq: Vec<i64>,
    account: Vec<&'a str>,
    event: Vec<&'static str>,
    url: Vec<&'a str>,
    origin: Vec<&'a str>,
    state: Vec<&'static str>,
    body: Vec<Option<&'a [u8]>>,
    body_sha256: Vec<&'a [u8]>,
    size: Vec<i64>,
    superseded: Vec<i64>,
    next_attempt_at: Vec<Option<i64>>,
    lease_no: Vec<i64>,
    created_at: Vec<i64>,
}

impl<'a> MessageColumns<'a> {
    pub(in crate::postgres) fn push(&mut self, row: &'a LaneRow, message: &'a NewMessage) {
        self.prediction_id.push(row.prediction.as_str());
        self.seq.push(i64::from(message.seq));
        self.account.push(&row.account.0);
        self.event.push(message.event.as_str());
        self.url.push(&row.url);
        self.origin.push(&row.origin);
        self.state.push(message.state.as_str());
        self.body.push(message.body.as_deref());
        self.body_sha256.push(&message.body_sha256);
        self.size.push(int(message.size));
        self.superseded.push(i64::from(message.superseded));
        self.next_attempt_at.push(micros(message.next_attempt_at));
        self.lease_no.push(int(message.lease_no));
        self.created_at.push(message.created_at.as_micros());
    }

    pub(in crate::postgres) fn is_empty(&self) -> bool {
        self.prediction_id.is_empty()
    }

    /// The arrays of [`MESSAGE`].
    pub(in crate::postgres) fn values(&self) -> [&(dyn ToSql + Sync); MESSAGE.0.len()] {
        [
            &self.prediction_id,
            &self.seq,
            &self.account,
            &self.event,
            &self.url,
            &self.origin,
            &self.state,
            &self.body,
            &self.body_sha256,
            &self.size,
            &self.superseded,
            &self.next_attempt_at,
            &self.lease_no,
            &self.created_at,
        ]
    }
}

/// What becomes of messages, each change of the same message on top of the one before it.
#[derive(Default)]
pub(super) struct MessageChanges {
    changes: BTreeMap<DeliveryId, Change>,
}

#[derive(Default)]
struct Change {
    /// How it stands from now on; `None` leaves that to the lane's holder.
    stands: Option<Stands>,
    /// Attempts that are new.
    attempts: i64,
}

struct Stands {
    state: DeliveryState,
    next_attempt_at: Option<Timestamp>,
    lease_no: u64,
}

impl MessageChanges {
    /// Says how a message stands, by the holder of its lane.
    pub(super) fn settle(&mut self, id: DeliveryId, settled: &Settled, lease_no: u64) {
        let Settled { state, next_attempt_at, .. } = *settled;
        self.changes.entry(id).or_default().stands = Some(Stands { state, next_attempt_at, lease_no });
    }

    /// Counts one more attempt.
    pub(super) fn count(&mut self, id: DeliveryId) {
        self.changes.entry(id).or_default().attempts += 1;
    }

    /// Writes them.
    pub(super) async fn write(&self, db: &Db) -> Outcome<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let stands = || self.changes.values().map(|change| change.stands.as_ref());
        let (predictions, seqs) = keys(self.changes.keys());
        let states: Vec<Option<&str>> = stands().map(|stands| Some(stands?.state.as_str())).collect();
        let next: Vec<Option<i64>> = stands().map(|stands| micros(stands?.next_attempt_at)).collect();
        let lease_nos: Vec<Option<i64>> = stands().map(|stands| Some(int(stands?.lease_no))).collect();
        let attempts: Vec<i64> = self.changes.values().map(|change| change.attempts).collect();
        db.execute(UPDATE, &[&predictions, &seqs, &states, &next, &lease_nos, &attempts]).await?;
        Ok(())
    }
}

/// Locks messages, in their order, so that attempts at each are recorded one after the other.
pub(super) async fn lock_messages(db: &Db, ids: &BTreeSet<DeliveryId>) -> Outcome<()> {
    let (predictions, seqs) = keys(ids);
    db.query(LOCK, &[&predictions, &seqs]).await.map(|_| ())
}

/// Gives lanes that owe a final message its bytes, where they are missing.
pub(super) async fn fetch_bodies(db: &Db, lanes: &mut [&mut ClaimedLane]) -> Outcome<()> {
    let missing: BTreeSet<DeliveryId> = lanes.iter().filter_map(|lane| missing_message(lane)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let bodies = bodies(db, &missing).await?;
    for lane in lanes {
        if let Some(message) = missing_message(lane) {
            lane.final_body = bodies.get(&message).cloned();
        }
    }
    Ok(())
}

fn missing_message(lane: &ClaimedLane) -> Option<DeliveryId> {
    let last = lane.lane.last.as_ref().filter(|_| lane.final_body.is_none())?;
    Some(DeliveryId { prediction: lane.prediction, seq: last.seq })
}

async fn bodies(db: &Db, ids: &BTreeSet<DeliveryId>) -> Outcome<HashMap<DeliveryId, Bytes>> {
    let (predictions, seqs) = keys(ids);
    let rows = db.query(BODIES, &[&predictions, &seqs]).await?;
    let decode = |row: Row<'_>| Ok((decode_id(row)?, Bytes::copy_from_slice(row.get("body")?)));
    rows.iter().map(|row| decode(Row::new("delivery", row))).collect()
}

/// The key of a row of `delivery` or `attempt`.
pub(super) fn decode_id(row: Row<'_>) -> Outcome<DeliveryId> {
    Ok(DeliveryId { prediction: row.parse("prediction_id")?, seq: row.number("seq")? })
}

/// Keys as columns, for `unnest`.
pub(super) fn keys<'a>(ids: impl IntoIterator<Item = &'a DeliveryId>) -> (Vec<&'a str>, Vec<i64>) {
    ids.into_iter().map(|id| (id.prediction.as_str(), i64::from(id.seq))).unzip()
}
