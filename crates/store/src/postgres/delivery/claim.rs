//! Claiming due lanes, fairly: origins in turn, the one that is due longest first.
//!
//! One statement looks and takes. Looking is one index seek for each origin, however many lanes wait behind it, and some
//! steps more for origins that have something due, of which there are a bounded number; it locks nothing. Taking skips what another node takes at this moment and
//! goes on with what is next, so that nodes that claim at once get different lanes. When nothing is due, nothing is written.

use std::sync::LazyLock;

use bytes::Bytes;
use tokio_postgres::types::ToSql;

use super::lane::{self, LANE};
use super::message::fetch_bodies;
use crate::delivery::{ClaimedLane, LaneClaim, LaneClaims, ORIGINS_PER_CLAIM};
use crate::node::NodeEpoch;
use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::Row;

/// The parameters are the node, now, the most lanes in all, the most of one origin, the origins to skip, and the one after
/// which to look. There is always a row, for what `later` says.
pub(in crate::postgres) static CLAIM: LazyLock<String> = LazyLock::new(|| claim_sql(&many_origins()));

/// The same for a single origin, which is the fifth parameter.
pub(in crate::postgres) static CLAIM_OF_ORIGIN: LazyLock<String> = LazyLock::new(|| claim_sql(ONE_ORIGIN));

/// The first free lane of each origin: each step seeks the next origin. One that is skipped takes a step, too: its lanes may be
/// many.
fn many_origins() -> String {
    format!(
        "looked AS (
           (SELECT origin, due_at, prediction_id, 1 AS step FROM lane
            WHERE owner IS NULL AND due_at IS NOT NULL AND origin > $6
            ORDER BY origin, due_at, prediction_id LIMIT 1)
           UNION ALL
           SELECT following.*, step + 1 FROM looked CROSS JOIN LATERAL (
             SELECT origin, due_at, prediction_id FROM lane
             WHERE owner IS NULL AND due_at IS NOT NULL AND origin > looked.origin
             ORDER BY origin, due_at, prediction_id LIMIT 1) AS following
           WHERE step < {ORIGINS_PER_CLAIM}),
         origins AS (SELECT * FROM looked WHERE (origin IN (SELECT unnest($5::text[]))) IS NOT TRUE)"
    )
}

const ONE_ORIGIN: &str = "
    looked AS (
      SELECT origin, due_at, prediction_id, 1 AS step FROM lane
      WHERE owner IS NULL AND due_at IS NOT NULL AND origin = $5 ORDER BY due_at, prediction_id LIMIT 1),
    origins AS (SELECT * FROM looked)";

fn claim_sql(origins: &str) -> String {
    let columns = LANE.names();
    format!(
        "WITH RECURSIVE {origins}, {TAKE},
         later AS (
           SELECT LEAST((SELECT min(due_at) FROM origins WHERE due_at > $2),
                        (SELECT min(free_at) FROM ranked WHERE NOT is_chosen)) AS next_due,
             (SELECT max(origin) FROM looked HAVING count(*) = {ORIGINS_PER_CLAIM}) AS stopped)
         SELECT {columns}, body, next_due, stopped FROM later LEFT JOIN (
           SELECT taken.*, body FROM taken
             LEFT JOIN delivery ON delivery.prediction_id = ANY (ARRAY[taken.prediction_id]) AND seq = final_seq) AS lane
           ON true
         ORDER BY row_number() OVER (PARTITION BY place ORDER BY due_at, prediction_id), place"
    )
}

/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
const TAKE: &str = "
    due AS (
      SELECT *, row_number() OVER (ORDER BY due_at, origin) AS place FROM origins WHERE due_at <= $2),
    -- As many lanes of each as it can get, and one more to know when the next is due. When there are more origins than
    -- lanes to claim, none gets a second one. In the index the lanes that were claimed before come first, until a vacuum
    -- removes them: the first free one is known, and what follows begins there.
    waiting AS (
      SELECT due.*, free.due_at AS free_at, turn, free.due_at <= $2 AND turn <= $4 AS may_go
      FROM due CROSS JOIN LATERAL (
        SELECT first.due_at, row_number() OVER () AS turn FROM (
          SELECT lane.due_at FROM lane
          WHERE owner IS NULL AND lane.due_at IS NOT NULL AND lane.origin = due.origin
            AND (lane.due_at, lane.prediction_id) >= (due.due_at, due.prediction_id)
          ORDER BY lane.due_at, lane.prediction_id
          LIMIT CASE WHEN (SELECT count(*) FROM due) > $3 THEN 1 ELSE LEAST($3, $4) + 1 END) AS first) AS free),
    -- One lane of each origin, then a second one of each, until the limits are reached.
    ranked AS (
      SELECT *, may_go AND row_number() OVER (ORDER BY may_go DESC, turn, place) <= $3 AS is_chosen FROM waiting),
    chosen AS (
      SELECT place, origin, due_at, prediction_id, count(*) AS lanes FROM ranked WHERE is_chosen
      GROUP BY place, origin, due_at, prediction_id),
    locked AS (
      SELECT free.prediction_id, place FROM chosen CROSS JOIN LATERAL (
        SELECT lane.prediction_id FROM lane
        WHERE owner IS NULL AND lane.due_at <= $2 AND lane.origin = chosen.origin
          AND (lane.due_at, lane.prediction_id) >= (chosen.due_at, chosen.prediction_id)
        ORDER BY lane.due_at, lane.prediction_id LIMIT lanes FOR UPDATE SKIP LOCKED) AS free),
    taken AS (
      UPDATE lane SET owner = $1, lease_no = lease_no + 1 FROM locked
      WHERE lane.prediction_id = ANY (ARRAY[locked.prediction_id])
      RETURNING lane.*, place)";

pub(super) async fn claim(db: Db, node: &NodeEpoch, claim: &LaneClaim) -> Outcome<LaneClaims> {
    let rows = look_and_take(&db, node, claim).await?;
    let later = rows.first().map(|row| Row::new("lane", row));
    let next_due = later.map(|row| row.optional_time("next_due")).transpose()?.flatten();
    let stopped = later.map(|row| row.get("stopped")).transpose()?.flatten();
    let lanes = rows.iter().filter_map(|row| decode(Row::new("lane", row)).transpose());
    let mut lanes = lanes.collect::<Outcome<Vec<ClaimedLane>>>()?;
    // A commit that ended a prediction while its lane was being claimed may have added a message that this statement did not
    // see.
    fetch_bodies(&db, &mut lanes.iter_mut().collect::<Vec<_>>()).await?;
    Ok(LaneClaims::of(lanes, next_due, claim.after.clone(), stopped))
}

async fn look_and_take(db: &Db, node: &NodeEpoch, claim: &LaneClaim) -> Outcome<Vec<tokio_postgres::Row>> {
    let (node, now) = (&*node.0, claim.now.as_micros());
    let (limit, per_origin) = (i64::from(claim.limit), i64::from(claim.per_origin));
    let limits: [&(dyn ToSql + Sync); 4] = [&node, &now, &limit, &per_origin];
    if let Some(origin) = &claim.only {
        return db.query(&CLAIM_OF_ORIGIN, &[&limits[..], &[origin]].concat()).await;
    }
    let (skip, after) = (&*claim.skip, claim.after.as_ref().map_or("", |after| &after.after));
    db.query(&CLAIM, &[&limits[..], &[&skip, &after]].concat()).await
}

fn decode(row: Row<'_>) -> Outcome<Option<ClaimedLane>> {
    if row.get::<Option<&str>>("prediction_id")?.is_none() {
        return Ok(None);
    }
    let body: Option<&[u8]> = row.get("body")?;
    Ok(Some(lane::decode(row)?.claimed(body.map(Bytes::copy_from_slice))))
}
