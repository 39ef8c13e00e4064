//! Rows of `lane`: locking, reading and writing many at once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::AccountId;
use cogwire_core::webhook::event::EventSet;
use cogwire_core::webhook::pacing::{FinalMessage, Lane};
use futures_util::future::try_join3;
use tokio_postgres::types::ToSql;

use crate::lane::{LaneRow, Write};
use crate::node::NodeEpoch;
use crate::postgres::columns::Shape;
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int, micros};

/// Stored lanes that nobody else changes before the end of the transaction, and what was decided about them.
pub(super) struct LockedLanes {
    lanes: BTreeMap<PredictionId, (LaneRow, Write)>,
}

impl LockedLanes {
    /// Locks the lanes of these predictions, as far as they are stored. It does so in the order of their ids: of transactions
    /// that lock several lanes none waits for another in a circle.
    pub(super) async fn lock(db: &Db, predictions: impl Iterator<Item = PredictionId>) -> Outcome<Self> {
        let ids: Vec<PredictionId> = predictions.collect();
        let ids: Vec<&str> = ids.iter().map(PredictionId::as_str).collect();
        let rows = db.query(&LOCK, &[&ids]).await?;
        let lanes = rows.iter().map(|row| {
            let row = decode(Row::new("lane", row))?;
            Ok((row.prediction, (row, Write::Nothing)))
        });
        Ok(Self { lanes: lanes.collect::<Outcome<_>>()? })
    }

    /// The lane of a prediction as it will be.
    pub(super) fn get_mut(&mut self, id: PredictionId) -> Option<&mut LaneRow> {
        let (row, write) = self.lanes.get_mut(&id)?;
        (*write != Write::Delete).then_some(row)
    }

    /// Takes the lane out: what becomes of it is written by whoever has it.
    pub(super) fn take(&mut self, id: PredictionId) -> Option<LaneRow> {
        self.lanes.remove(&id).map(|(row, _)| row)
    }

    /// Says what to do with a lane.
    pub(super) fn decide(&mut self, id: PredictionId, decision: Write) {
        if let Some((_, write)) = self.lanes.get_mut(&id) {
            *write = decision;
        }
    }

    /// Does what was decided.
    pub(super) async fn write(&self, db: &Db) -> Outcome<()> {
        write_lanes(db, self.lanes.values().map(|(row, write)| (row, *write))).await
    }
}

/// Does to each row what was decided about it. Rows come in the order of their ids.
pub(super) async fn write_lanes<'a>(
    db: &Db,
    lanes: impl Iterator<Item = (&'a LaneRow, Write)>,
) -> Outcome<()> {
    let (mut inserted, mut updated) = (LaneColumns::default(), LaneColumns::default());
    let mut deleted = Vec::new();
    for (row, write) in lanes {
        match write {
            Write::Insert => inserted.push(row),
            Write::Update => updated.push(row),
            Write::Delete => deleted.push(row.prediction.as_str()),
            Write::Nothing => {}
        }
    }
    try_join3(insert(db, &inserted), update(db, &updated), delete(db, &deleted)).await?;
    Ok(())
}

async fn insert(db: &Db, lanes: &LaneColumns<'_>) -> Outcome<()> {
    if lanes.is_empty() {
        return Ok(());
    }
    db.execute(&INSERT, &lanes.values()).await.map(|_| ())
}

async fn update(db: &Db, lanes: &LaneColumns<'_>) -> Outcome<()> {
    if lanes.is_empty() {
        return Ok(());
    }
    db.execute(&UPDATE, &lanes.values()[..CHANGING.0.len()]).await.map(|_| ())
}

async fn delete(db: &Db, ids: &[&str]) -> Outcome<()> {
    if !ids.is_empty() {
        db.execute("DELETE FROM lane WHERE prediction_id = ANY($1)", &[&ids]).await?;
    }
    Ok(())
}

/// All columns: the key, those that change, and those that do not.
pub(in crate::postgres) const LANE: Shape<'_> = Shape(&[
    ("prediction_id", "text"),
    ("due_at", "bigint"),
    ("owner", "text"),
    ("lease_no", "bigint"),
    ("in_flight_seq", "bigint"),
    ("want_start", "boolean"),
    ("want_progress", "bigint"),
    ("progress_revision", "bigint"),
    ("final_seq", "bigint"),
    ("final_attempts", "bigint"),
    ("final_tries", "bigint"),
    ("final_first_attempt_at", "bigint"),
    ("final_due_at", "bigint"),
    ("final_manual", "boolean"),
    ("next_seq", "bigint"),
    ("last_progress_at", "bigint"),
    ("superseded", "bigint"),
    ("open", "boolean"),
    ("account", "text"),
    ("url", "text"),
    ("origin", "text"),
    ("options", "text"),
]);

/// The key and those that change.
const CHANGING: Shape<'_> = Shape(LANE.0.split_at(18).0);

pub(in crate::postgres) static LOCK: LazyLock<String> = LazyLock::new(|| {
    let columns = LANE.names();
    format!("SELECT {columns} FROM lane WHERE prediction_id = ANY ($1) ORDER BY prediction_id FOR UPDATE")
});

static INSERT: LazyLock<String> =
    LazyLock::new(|| format!("INSERT INTO lane ({}) SELECT * FROM {}", LANE.names(), LANE.rows(0, "new")));

/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
pub(in crate::postgres) static UPDATE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE lane SET ({}) = ROW(new.*) FROM {} WHERE lane.prediction_id = ANY (ARRAY[new.prediction_id])",
        CHANGING.names(),
        CHANGING.rows(0, "new")
    )
});

/// Rows of `lane`, column by column.
#[derive(Default)]
pub(in crate::postgres) struct LaneColumns<'a> {
    prediction_id: Vec<&'a str>,
    due_at: Vec<Option<i64>>,
    owner: Vec<Option<&'a str>>,
    lease_no: Vec<i64>,
    in_flight_seq: Vec<Option<i64>>,
    want_start: Vec<bool>,
    want_progress: Vec<i64>,
    progress_revision: Vec<i64>,
    final_seq: Vec<Option<i64>>,
    final_attempts: Vec<i64>,
    final_tries: Vec<i64>,
    final_first_attempt_at: Vec<Option<i64>>,
    final_due_at: Vec<Option<i64>>,
    final_manual: Vec<bool>,
    next_seq: Vec<i64>,
    last_progress_at: Vec<Option<i64>>,
    superseded: Vec<i64>,
    open: Vec<bool>,
    account: Vec<&'a str>,
    url: Vec<&'a str>,
    origin: Vec<&'a str>,
    options: Vec<Option<String>>,
}

impl<'a> LaneColumns<'a> {
    pub(in crate::postgres) fn push(&mut self, row: &'a LaneRow) {
        let LaneRow { lane, .. } = row;
        let last = lane.last.as_ref();
        self.prediction_id.push(row.prediction.as_str());
        self.due_at.push(micros(row.due_at));
        self.owner.push(row.owner.as_ref().map(|node| &*node.0));
        self.lease_no.push(int(row.lease_no));
        self.in_flight_seq.push(row.in_flight.map(i64::from));
        self.want_start.push(lane.want_start);
        self.want_progress.push(i64::from(lane.want_progress.bits()));
        self.progress_revision.push(int(row.progress_revision));
        self.final_seq.push(last.map(|last| i64::from(last.seq)));
        self.final_attempts.push(last.map_or(0, |last| i64::from(last.attempts)));
        self.final_tries.push(last.map_or(0, |last| i64::from(last.tries)));
        self.final_first_attempt_at.push(micros(last.and_then(|last| last.first_attempt_at)));
        self.final_due_at.push(last.map(|last| last.due_at.as_micros()));
        self.final_manual.push(last.is_some_and(|last| last.manual));
        self.next_seq.push(i64::from(lane.next_seq));
        self.last_progress_at.push(micros(lane.last_progress_at));
        self.superseded.push(i64::from(lane.superseded));
        self.open.push(lane.open);
        self.account.push(&row.account.0);
        self.url.push(&row.url);
        self.origin.push(&row.origin);
        self.options.push(row.options.to_text());
    }

    pub(in crate::postgres) fn is_empty(&self) -> bool {
        self.prediction_id.is_empty()
    }

    /// The arrays of [`LANE`].
    pub(in crate::postgres) fn values(&self) -> [&(dyn ToSql + Sync); LANE.0.len()] {
        [
            &self.prediction_id,
            &self.due_at,
            &self.owner,
            &self.lease_no,
            &self.in_flight_seq,
            &self.want_start,
            &self.want_progress,
            &self.progress_revision,
            &self.final_seq,
            &self.final_attempts,
            &self.final_tries,
            &self.final_first_attempt_at,
            &self.final_due_at,
            &self.final_manual,
            &self.next_seq,
            &self.last_progress_at,
            &self.superseded,
            &self.open,
            &self.account,
            &self.url,
            &self.origin,
            &self.options,
        ]
    }
}

/// The stored lane of a prediction, as it is at this moment.
pub(super) async fn find(db: Db, id: PredictionId) -> Outcome<Option<Lane>> {
    let sql = format!("SELECT {} FROM lane WHERE prediction_id = $1", LANE.names());
    let row = db.query_optional(&sql, &[&id.as_str()]).await?;
    row.map(|row| decode_lane(Row::new("lane", &row))).transpose()
}

/// The lanes that this node holds, with their fences.
pub(super) async fn held_by(db: Db, node: &NodeEpoch) -> Outcome<Vec<(PredictionId, u64)>> {
    let sql = "SELECT prediction_id, lease_no FROM lane WHERE owner = $1";
    let rows = db.query(sql, &[&&*node.0]).await?;
    let decode = |row: Row<'_>| Ok((row.parse("prediction_id")?, row.count("lease_no")?));
    rows.iter().map(|row| decode(Row::new("lane", row))).collect()
}

/// Reads a row that has all columns of `lane`.
pub(super) fn decode(row: Row<'_>) -> Outcome<LaneRow> {
    Ok(LaneRow {
        prediction: row.parse("prediction_id")?,
        account: AccountId(row.get::<&str>("account")?.into()),
        url: row.get("url")?,
        origin: row.get("origin")?,
        options: row.parse_optional("options")?.unwrap_or_default(),
        due_at: row.optional_time("due_at")?,
        owner: row.get::<Option<&str>>("owner")?.map(|owner| NodeEpoch(owner.into())),
        lease_no: row.count("lease_no")?,
        in_flight: row.optional_number("in_flight_seq")?,
        progress_revision: row.count("progress_revision")?,
        lane: decode_lane(row)?,
    })
}

fn decode_lane(row: Row<'_>) -> Outcome<Lane> {
    Ok(Lane {
        want_start: row.get("want_start")?,
        want_progress: EventSet::from_bits(row.number("want_progress")?),
        last: decode_final(row)?,
        next_seq: row.number("next_seq")?,
        last_progress_at: row.optional_time("last_progress_at")?,
        superseded: row.number("superseded")?,
        open: row.get("open")?,
    })
}

fn decode_final(row: Row<'_>) -> Outcome<Option<FinalMessage>> {
    let Some(seq) = row.optional_number("final_seq")? else { return Ok(None) };
    Ok(Some(FinalMessage {
        seq,
        attempts: row.number("final_attempts")?,
        tries: row.number("final_tries")?,
        first_attempt_at: row.optional_time("final_first_attempt_at")?,
        due_at: row.time("final_due_at")?,
        manual: row.get("final_manual")?,
    }))
}
