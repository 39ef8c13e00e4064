//! Rows of `delivery`: writing many at once, and the bytes of final messages.

use tokio_postgres::types::ToSql;

use crate::lane::{LaneRow, NewMessage};
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::{int, micros};

/// Writes messages for the first time.
pub(super) async fn insert_messages(db: &Db, messages: &MessageColumns<'_>) -> Outcome<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let (columns, unnest) = (MessageColumns::NAMES, MessageColumns::UNNEST);
    let sql = format!(
        "INSERT INTO delivery ({columns}, attempts) SELECT new.*, 0 FROM UNNEST({unnest}) AS new ({columns})"
    );
    db.execute(&sql, &messages.values()).await?;
    Ok(())
}

/// Rows of `delivery` as columns, for `UNNEST`.
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
    /// All columns but the number of attempts, of which there are none.
    pub(in crate::postgres) const NAMES: &'static str =
        "prediction_id, seq, account, event, url, origin, state, body,
        body_sha256, size, superseded, next_attempt_at, lease_no, created_at";

    /// The same as parameters.
    pub(in crate::postgres) const UNNEST: &'static str = "$1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[],
        $6::text[], $7::text[], $8::bytea[], $9::bytea[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
        $14::bigint[]";

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

    /// All columns as parameters.
    pub(in crate::postgres) fn values(&self) -> [&(dyn ToSql + Sync); 14] {
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
