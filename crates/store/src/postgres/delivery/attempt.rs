//! Rows of `attempt`: reading them, and writing many at once.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use cogwire_core::id::DeliveryId;
use tokio_postgres::types::ToSql;

use super::message::{decode_id, keys};
use crate::delivery::{Attempt, AttemptReport, FinishedAttempt};
use crate::lane::number_for;
use crate::postgres::columns::Shape;
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::Row;

/// All columns.
pub(super) const ATTEMPT: Shape<'_> = Shape(&[
    ("prediction_id", "text"),
    ("seq", "bigint"),
    ("number", "bigint"),
    ("started_at", "bigint"),
    ("duration_us", "bigint"),
    ("status", "bigint"),
    ("class", "text"),
    ("detail", "bytea"),
    ("manual", "boolean"),
    ("report", "text"),
]);

static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!("INSERT INTO attempt ({}) SELECT * FROM {}", ATTEMPT.names(), ATTEMPT.rows(0, "new"))
});

/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
pub(in crate::postgres) static RECORDED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS new (id, message, least)
           JOIN attempt ON prediction_id = ANY (ARRAY[id]) AND seq = message AND number >= least",
        ATTEMPT.names()
    )
});

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
        let mut recorded: HashMap<DeliveryId, Vec<Attempt>> = HashMap::new();
        for row in db.query(&RECORDED, &[&predictions, &seqs, &numbers]).await? {
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
        db.execute(&INSERT, &columns.values()).await.map(|_| ())
    }
}

/// Rows of `attempt`, column by column.
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
    report: Vec<Option<String>>,
}

impl<'a> AttemptColumns<'a> {
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
        self.report.push(attempt.report.as_ref().map(AttemptReport::to_text));
    }

    /// The arrays of [`ATTEMPT`].
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); ATTEMPT.0.len()] {
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
            &self.report,
        ]
    }
}

/// Reads a row that has all columns of `attempt`.
pub(super) fn decode(row: Row<'_>) -> Outcome<Attempt> {
    Ok(Attempt {
        number: row.number("number")?,
        started_at: row.time("started_at")?,
        duration: Duration::from_micros(row.count("duration_us")?),
        status: row.optional_number("status")?,
        class: row.get("class")?,
        detail: row.raw_text("detail")?.to_owned(),
        manual: row.get("manual")?,
        report: row.parse_optional("report")?,
    })
}
