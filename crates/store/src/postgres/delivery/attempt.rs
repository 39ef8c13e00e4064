//! Rows of `attempt`: reading them, and writing many at once.

use std::collections::HashMap;
use std::time::Duration;

use cogwire_core::id::DeliveryId;
use tokio_postgres::types::ToSql;

use super::message::{decode_id, keys};
use crate::delivery::{Attempt, FinishedAttempt};
use crate::lane::number_for;
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::Row;

/// What is read of an attempt; [`decode`] takes it.
pub(super) const COLUMNS: &str =
    "prediction_id, seq, number, started_at, duration_us, status, class, detail, manual";

/// Attempts that are to be recorded, beside those that are recorded already.
pub(super) struct Recording<'a> {
    recorded: HashMap<DeliveryId, Vec<Attempt>>,
    new: Vec<(&'a FinishedAttempt, u32)>,
}

impl<'a> Recording<'a> {
    /// Reads what is recorded from the number of each attempt on: nearly always nothing.
    pub(super) async fn begin(db: &Db, finished: &[&'a FinishedAttempt]) -> Outcome<Self> {
        let (predictions, seqs) = keys(finished.iter().map(|one| &one.delivery));
        let numbers: Vec<i64> = finished.iter().map(|one| i64::from(one.attempt.number)).collect();
        let sql = format!(
            "SELECT {COLUMNS} FROM UNNEST($1::text[], $2::bigint[], $3::bigint[]) AS new (prediction_id, seq, least)
               JOIN attempt USING (prediction_id, seq)
             WHERE number >= least"
        );
        let mut recorded: HashMap<DeliveryId, Vec<Attempt>> = HashMap::new();
        for row in db.query(&sql, &[&predictions, &seqs, &numbers]).await? {
            let row = Row::new("attempt", &row);
            recorded.entry(decode_id(row)?).or_default().push(decode(row)?);
        }
        Ok(Self { recorded, new: Vec::new() })
    }

    /// Records an attempt. `false` when it is recorded already.
    pub(super) fn add(&mut self, finished: &'a FinishedAttempt) -> bool {
        let recorded = self.recorded.entry(finished.delivery).or_default();
        let Some(number) = number_for(&finished.attempt, recorded) else { return false };
        recorded.push(Attempt { number, ..finished.attempt.clone() });
        self.new.push((finished, number));
        true
    }

    /// Writes those that are new.
    pub(super) async fn write(&self, db: &Db) -> Outcome<()> {
        if self.new.is_empty() {
            return Ok(());
        }
        let mut columns = AttemptColumns::default();
        self.new.iter().for_each(|(finished, number)| columns.push(finished, *number));
        let unnest = AttemptColumns::UNNEST;
        let sql = format!("INSERT INTO attempt ({COLUMNS}) SELECT * FROM UNNEST({unnest})");
        db.execute(&sql, &columns.values()).await?;
        Ok(())
    }
}

/// Rows of `attempt` as columns, for `UNNEST`.
#[derive(Default)]
pub(super) struct AttemptColumns<'a> {
    prediction_id: Vec<&'a str>,
    seq: Vec<i64>,
    number: Vec<i64>,
    started_at: Vec<i64>,
    duration_us: Vec<i64>,
    status: Vec<Option<i64>>,
    class: Vec<&'a str>,
    detail: Vec<&'a [u8]>,
    manual: Vec<bool>,
}

impl<'a> AttemptColumns<'a> {
    /// The values of [`COLUMNS`] as parameters.
    pub(super) const UNNEST: &'static str =
        "$1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::text[], $8::bytea[], $9::boolean[]";

    pub(super) fn push(&mut self, finished: &'a FinishedAttempt, number: u32) {
        let FinishedAttempt { delivery, attempt, .. } = finished;
        self.prediction_id.push(delivery.prediction.as_str());
        self.seq.push(i64::from(delivery.seq));
        self.number.push(i64::from(number));
        self.started_at.push(attempt.started_at.as_micros());
        self.duration_us.push(i64::try_from(attempt.duration.as_micros()).unwrap_or(i64::MAX));
        self.status.push(attempt.status.map(i64::from));
        self.class.push(&attempt.class);
        self.detail.push(attempt.detail.as_bytes());
        self.manual.push(attempt.manual);
    }

    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.prediction_id,
            &self.seq,
            &self.number,
            &self.started_at,
            &self.duration_us,
            &self.status,
            &self.class,
            &self.detail,
            &self.manual,
        ]
    }
}

/// Reads a row that has [`COLUMNS`].
pub(super) fn decode(row: Row<'_>) -> Outcome<Attempt> {
    Ok(Attempt {
        number: row.number("number")?,
        started_at: row.time("started_at")?,
        duration: Duration::from_micros(row.count("duration_us")?),
        status: row.optional_number("status")?,
        class: row.get("class")?,
        detail: row.raw_text("detail")?.to_owned(),
        manual: row.get("manual")?,
    })
}
