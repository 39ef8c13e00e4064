//! Handing waiting predictions to a node, taking them back, and noticing that their time is over.

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::Deadline;
use cogwire_core::time::Timestamp;

use super::read;
use crate::node::NodeEpoch;
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int};
use crate::prediction::{Claimed, FURTHEST_POSITION, Lease, Load, Overdue, Wanted};

/// Claims the oldest of the waiting predictions. The first look, which locks nothing, says how the claim is shared among the
/// versions: it takes in twice as many as may be claimed, because other nodes may be taking the oldest at this moment. Then each
/// version's share is locked, passing over what others have locked, and the oldest of all that are claimed. So no version
/// gets more than is wanted of it, and what is locked in vain is never more than what is claimed. The caller's own limit holds
/// when it comes before that of the setup.
pub(in crate::postgres) const CLAIM: &str = concat!(
    "WITH waiting AS (
       SELECT wanted.version
       FROM unnest($2::text[], $3::bigint[]) AS wanted (version, most), LATERAL (
         SELECT live.prediction_id, live.queued_at FROM live
         WHERE live.version = wanted.version AND live.owner IS NULL
         ORDER BY live.queued_at, live.prediction_id LIMIT wanted.most) AS oldest
       ORDER BY oldest.queued_at, oldest.prediction_id LIMIT $4::bigint * 2),
     shares AS (SELECT version, count(*) AS share FROM waiting GROUP BY version),
     locked AS (
       SELECT free.prediction_id, free.queued_at FROM shares, LATERAL (
         SELECT live.prediction_id, live.queued_at FROM live
         WHERE live.version = shares.version AND live.owner IS NULL
         ORDER BY live.queued_at, live.prediction_id LIMIT shares.share FOR UPDATE SKIP LOCKED) AS free),
     chosen AS (
       SELECT prediction_id FROM locked ORDER BY queued_at, prediction_id LIMIT $4)
     UPDATE live AS l SET owner = $1, lease_no = l.lease_no + 1, run = l.run + 1,
       deadline = LEAST(p.cancel_at, $5),
       deadline_kind = CASE WHEN p.cancel_at <= $5 THEN 'cancel_after' ELSE 'setup' END
     FROM chosen JOIN prediction AS p ON p.id = ANY (ARRAY[chosen.prediction_id])
     WHERE l.prediction_id = ANY (ARRAY[chosen.prediction_id])
     RETURNING ",
    read::columns!(),
    ", NULL::bytea AS logs, ",
    read::chunks!(),
    ", l.queued_at, l.lease_no, l.run"
);

/// How many of the same version wait before one that waits, counted up to a bound. (`num_nulls` and not `IS NULL`, which would
/// let the index of all that waits be read for one row.)
pub(in crate::postgres) const POSITION: &str = "
    SELECT prediction_id, (SELECT count(*) FROM (
             SELECT 1 FROM live AS earlier
             WHERE earlier.version = live.version AND earlier.owner IS NULL
               AND (earlier.queued_at, earlier.prediction_id) < (live.queued_at, live.prediction_id)
             LIMIT $2) AS counted) AS position
    FROM live WHERE prediction_id = $1 AND num_nulls(owner) = 1";

/// Predictions whose deadline has passed.
pub(in crate::postgres) const OVERDUE: &str = "
    SELECT prediction_id, deadline_kind FROM live WHERE deadline <= $1 ORDER BY deadline, prediction_id LIMIT $2";

pub(super) async fn claim(
    db: Db,
    node: &NodeEpoch,
    wanted: &[Wanted],
    limit: u32,
    setup_deadline: Timestamp,
) -> Outcome<Vec<Claimed>> {
    let wanted = Wanted::by_version(wanted, limit).into_iter();
    let (versions, most): (Vec<&str>, Vec<i64>) =
        wanted.map(|(version, most)| (version.as_str(), i64::from(most))).unzip();
    let (limit, setup) = (i64::from(limit), setup_deadline.as_micros());
    let rows = db.query(CLAIM, &[&&*node.0, &versions, &most, &limit, &setup]).await?;
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

pub(super) async fn queue_position(db: Db, id: PredictionId) -> Outcome<Option<u64>> {
    let row = db.query_optional(POSITION, &[&id.as_str(), &int(FURTHEST_POSITION)]).await?;
    row.map(|row| Row::new("live", &row).count("position")).transpose()
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
