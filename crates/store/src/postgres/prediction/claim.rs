//! Handing waiting predictions to a node, taking them back, and noticing that their time is over.

use cogwire_core::id::{PredictionId, VersionId};
use cogwire_core::prediction::Deadline;
use cogwire_core::time::Timestamp;

use super::read;
use crate::node::NodeEpoch;
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int};
use crate::prediction::{Claimed, Lease, Load, Overdue};

/// Claims the oldest of the waiting predictions. For each version the oldest are found by index, some more than are wanted,
/// because other nodes may be taking the same ones at this moment: those are passed over. Only as many are locked as are
/// claimed. (`num_nulls` and not `IS NULL`, which would let the index of all that waits be read for one row.) The caller's
/// own limit holds when it comes before that of the setup.
pub(in crate::postgres) const CLAIM: &str = concat!(
    "WITH waiting AS (
       SELECT oldest.prediction_id, oldest.queued_at
       FROM unnest($2::text[]) AS wanted (version), LATERAL (
         SELECT live.prediction_id, live.queued_at FROM live
         WHERE live.version = wanted.version AND live.owner IS NULL
         ORDER BY live.queued_at, live.prediction_id LIMIT $3::bigint * 2 + 64) AS oldest
       ORDER BY oldest.queued_at, oldest.prediction_id LIMIT $3::bigint * 2 + 64),
     chosen AS (
       SELECT live.prediction_id FROM waiting, live
       WHERE live.prediction_id = ANY (ARRAY[waiting.prediction_id]) AND num_nulls(live.owner) = 1
       ORDER BY waiting.queued_at, waiting.prediction_id LIMIT $3
       FOR UPDATE OF live SKIP LOCKED)
     UPDATE live AS l SET owner = $1, lease_no = l.lease_no + 1, run = l.run + 1,
       deadline = LEAST(p.cancel_at, $4),
       deadline_kind = CASE WHEN p.cancel_at <= $4 THEN 'cancel_after' ELSE 'setup' END
     FROM chosen JOIN prediction AS p ON p.id = ANY (ARRAY[chosen.prediction_id])
     WHERE l.prediction_id = ANY (ARRAY[chosen.prediction_id])
     RETURNING ",
    read::columns!(),
    ", NULL::bytea AS logs, ",
    read::chunks!(),
    ", l.queued_at, l.lease_no, l.run"
);

/// Predictions whose deadline has passed.
pub(in crate::postgres) const OVERDUE: &str = "
    SELECT prediction_id, deadline_kind FROM live WHERE deadline <= $1 ORDER BY deadline, prediction_id LIMIT $2";

pub(super) async fn claim(
    db: Db,
    node: &NodeEpoch,
    versions: &[VersionId],
    limit: u32,
    setup_deadline: Timestamp,
) -> Outcome<Vec<Claimed>> {
    let mut versions: Vec<&str> = versions.iter().map(VersionId::as_str).collect();
    versions.sort_unstable();
    versions.dedup();
    let (limit, setup) = (i64::from(limit), setup_deadline.as_micros());
    let rows = db.query(CLAIM, &[&&*node.0, &versions, &limit, &setup]).await?;
    let mut claimed = rows
        .iter()
        .map(|row| {
            let row = Row::new("prediction", row);
            Ok((row.time("queued_at")?, decode_claimed(row, node)?))
        })
        .collect::<Outcome<Vec<(Timestamp, Claimed)>>>()?;
    claimed.sort_unstable_by_key(|(queued_at, claimed)| (*queued_at, claimed.prediction.id()));
    Ok(claimed.into_iter().map(|(_, claimed)| claimed).collect())
}

fn decode_claimed(row: Row<'_>, node: &NodeEpoch) -> Outcome<Claimed> {
    let lease = Lease { node: node.clone(), lease_no: row.count("lease_no")? };
    Ok(Claimed { prediction: read::prediction(row)?, lease, run: row.number("run")? })
}

/// Gives back a prediction that the lease still holds and that has not begun.
pub(super) async fn release(db: Db, id: PredictionId, lease: &Lease, deadline: Deadline) -> Outcome<()> {
    let sql = "UPDATE live SET owner = NULL, lease_no = lease_no + 1, run = run - 1, deadline = $4, deadline_kind = $5
               WHERE prediction_id = $1 AND owner = $2 AND lease_no = $3 AND revision = 0";
    let (node, lease_no) = (&*lease.node.0, int(lease.lease_no));
    db.execute(sql, &[&id.as_str(), &node, &lease_no, &deadline.at.as_micros(), &deadline.kind.as_str()])
        .await?;
    Ok(())
}

pub(super) async fn overdue(db: Db, now: Timestamp, limit: u32) -> Outcome<Vec<Overdue>> {
    let rows = db.query(OVERDUE, &[&now.as_micros(), &i64::from(limit)]).await?;
    let decode =
        |row: Row<'_>| Ok(Overdue { id: row.parse("prediction_id")?, kind: row.parse("deadline_kind")? });
    rows.iter().map(|row| decode(Row::new("live", row))).collect()
}

pub(super) async fn load_figures(db: Db) -> Outcome<Load> {
    let sql = "SELECT (SELECT count(*) FROM live WHERE owner IS NULL) AS queued,
                 (SELECT count(*) FROM live WHERE owner IS NOT NULL) AS running";
    let row = db.query_one(sql, &[]).await?;
    let row = Row::new("live", &row);
    Ok(Load { queued: row.count("queued")?, running: row.count("running")? })
}
