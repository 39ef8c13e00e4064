//! Nodes in PostgreSQL: who is alive, and what becomes of the work of those that are not.
//!
//! A node whose lease is over loses its row, and with it everything that it held: whoever deletes the row and takes the work
//! does so in one transaction, and a node that comes back finds out by its next heartbeat. Taking over and joining exclude
//! each other, so what a node claims after it has joined again is not mistaken for what it held before.
//! Rows are looked up as `= ANY (ARRAY[…])`, and in the order of the index that finds them: see [`super`].

use async_trait::async_trait;
use cogwire_core::id::VersionId;
use cogwire_core::time::Timestamp;

use super::PostgresStore;
use super::database::{Class, Db, Repeat};
use super::failure::Outcome;
use super::row::Row;
use crate::error::{Error, Result};
use crate::node::{
    HeldRun, LostRun, Node, NodeEpoch, NodeStore, Renewal, TakeOver, TakenOver, decode_versions,
    encode_versions,
};

/// Held to the end of the transaction by whoever joins or takes over.
const MEMBERSHIP: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('cogwire membership ' || current_schema(), 0))";

/// The same lock, held to the end of the connection by a command that nobody may disturb.
pub(super) const NO_MEMBERSHIP: &str =
    "SELECT pg_try_advisory_lock(hashtextextended('cogwire membership ' || current_schema(), 0))";

/// The owners of anything that are no nodes any more. Both tables are asked for one owner after the other, by index.
const GONE_OWNERS: &str = "
    WITH RECURSIVE
      runs AS (
        SELECT (SELECT min(owner) FROM live WHERE owner IS NOT NULL) AS owner
        UNION ALL SELECT (SELECT min(live.owner) FROM live WHERE live.owner > runs.owner)
          FROM runs WHERE runs.owner IS NOT NULL),
      lanes AS (
        SELECT (SELECT min(owner) FROM lane WHERE owner IS NOT NULL) AS owner
        UNION ALL SELECT (SELECT min(lane.owner) FROM lane WHERE lane.owner > lanes.owner)
          FROM lanes WHERE lanes.owner IS NOT NULL)
    SELECT owner FROM (SELECT owner FROM runs UNION SELECT owner FROM lanes) AS owners
    WHERE owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM node WHERE epoch = owner)
    ORDER BY owner";

/// What had not shown any sign of life waits again, unless it is a training. Its deadline was that of its setup, which says nothing about the queue;
/// the caller's own limit is kept. Rows that are being written at this moment come with the next round.
pub(super) const REQUEUE: &str = "
    WITH silent AS (
      SELECT prediction_id, LEAST(cancel_at, $3) AS deadline, cancel_at <= $3 AS is_callers
      FROM live JOIN prediction ON id = ANY (ARRAY[prediction_id])
      WHERE owner = ANY (ARRAY[$1]) AND live.revision = 0 AND run <= $2 AND kind <> 'training'
      ORDER BY owner, prediction_id FOR UPDATE OF live SKIP LOCKED)
    UPDATE live SET owner = NULL, lease_no = lease_no + 1, deadline = silent.deadline,
      deadline_kind = CASE WHEN is_callers THEN 'cancel_after' ELSE 'queue' END
    FROM silent WHERE live.prediction_id = ANY (ARRAY[silent.prediction_id])";

/// Claims the others for another node, so that only it ends them.
pub(super) const SEIZE_LOST: &str = "
    WITH lost AS (
      SELECT prediction_id FROM live JOIN prediction ON id = ANY (ARRAY[prediction_id])
      WHERE owner = ANY (ARRAY[$1]) AND (live.revision > 0 OR run > $4 OR kind = 'training')
      ORDER BY owner, prediction_id LIMIT $3 FOR UPDATE OF live SKIP LOCKED)
    UPDATE live SET owner = $2, lease_no = lease_no + 1
    FROM lost WHERE live.prediction_id = ANY (ARRAY[lost.prediction_id])
    RETURNING live.prediction_id, run, revision";

/// Lanes are due again as they were. A message that was under way when its sender went is not sent again, unless it is
/// final.
pub(super) const FREE_LANES: &str = "
    WITH held AS (
      SELECT prediction_id, in_flight_seq, due_at IS NULL AND NOT open AS is_over FROM lane
      WHERE owner = ANY (ARRAY[$1]) ORDER BY owner, prediction_id FOR UPDATE SKIP LOCKED),
    forgotten AS (
      DELETE FROM lane USING held WHERE lane.prediction_id = ANY (ARRAY[held.prediction_id]) AND is_over),
    freed AS (
      UPDATE lane SET owner = NULL, lease_no = lease_no + 1, in_flight_seq = NULL
      FROM held WHERE lane.prediction_id = ANY (ARRAY[held.prediction_id]) AND NOT is_over
      RETURNING 1),
    interrupted AS (
      UPDATE delivery SET state = 'interrupted'
      FROM held WHERE delivery.prediction_id = ANY (ARRAY[held.prediction_id]) AND seq = held.in_flight_seq
        AND state = 'sending')
    SELECT count(*) AS lanes FROM freed";

#[async_trait]
impl NodeStore for PostgresStore {
    async fn register_node(&self, node: &Node, lease_until: Timestamp) -> Result<()> {
        self.database.work(Class::Work, Repeat::Safe, |db| register(db, node, lease_until)).await
    }

    async fn renew_node(&self, node: &NodeEpoch, now: Timestamp, lease_until: Timestamp) -> Result<Renewal> {
        self.database.write(Class::Work, Repeat::Safe, |db| renew(db, node, now, lease_until)).await
    }

    async fn announce(&self, node: &NodeEpoch, versions: &[VersionId]) -> Result<()> {
        self.database.write(Class::Work, Repeat::Safe, |db| announce(db, node, versions)).await
    }

    async fn retire_node(&self, node: &NodeEpoch) -> Result<()> {
        self.database.write(Class::Work, Repeat::Safe, |db| retire(db, node)).await
    }

    async fn take_over(&self, node: &NodeEpoch, how: TakeOver) -> Result<TakenOver> {
        self.database.work(Class::Work, Repeat::Safe, |db| take_over(db, node, how)).await
    }

    async fn held_runs(&self, node: &NodeEpoch) -> Result<Vec<HeldRun>> {
        self.database.read(Class::Work, |db| held_runs(db, node)).await
    }

    async fn live_nodes(&self, now: Timestamp) -> Result<Vec<Node>> {
        self.database.read(Class::Api, |db| live_nodes(db, now)).await
    }

    async fn server_time(&self) -> Result<Option<Timestamp>> {
        self.database.read(Class::Work, server_time).await.map(Some)
    }

    async fn check(&self) -> Result<()> {
        self.database.read(Class::Api, check).await
    }
}

async fn register(db: Db, node: &Node, lease_until: Timestamp) -> Outcome<()> {
    db.query_one(MEMBERSHIP, &[]).await?;
    let sql = "INSERT INTO node (epoch, lease_until, roles, versions) VALUES ($1, $2, $3, $4)
               ON CONFLICT (epoch) DO UPDATE SET lease_until = excluded.lease_until, roles = excluded.roles,
                 versions = excluded.versions";
    let versions = encode_versions(&node.versions);
    db.execute(sql, &[&&*node.epoch.0, &lease_until.as_micros(), &node.roles, &versions]).await?;
    Ok(())
}

async fn renew(db: Db, node: &NodeEpoch, now: Timestamp, lease_until: Timestamp) -> Outcome<Renewal> {
    let sql = "WITH renewed AS (
                 UPDATE node SET lease_until = GREATEST(lease_until, $3) WHERE epoch = $1 RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM renewed),
                 (SELECT count(*) FROM node WHERE epoch <> $1 AND lease_until >= $2)";
    let row = db.query_one(sql, &[&&*node.0, &now.as_micros(), &lease_until.as_micros()]).await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(Renewal::GivenUp);
    }
    let peers: i64 = row.try_get(1)?;
    Ok(Renewal::Renewed { peers: u32::try_from(peers).unwrap_or(u32::MAX) })
}

async fn announce(db: Db, node: &NodeEpoch, versions: &[VersionId]) -> Outcome<()> {
    let sql = "UPDATE node SET versions = $2 WHERE epoch = $1";
    db.execute(sql, &[&&*node.0, &encode_versions(versions)]).await?;
    Ok(())
}

async fn retire(db: Db, node: &NodeEpoch) -> Outcome<()> {
    db.execute("DELETE FROM node WHERE epoch = $1", &[&&*node.0]).await?;
    Ok(())
}

async fn take_over(db: Db, node: &NodeEpoch, how: TakeOver) -> Outcome<TakenOver> {
    db.query_one(MEMBERSHIP, &[]).await?;
    // No node gives itself up.
    let sql = "DELETE FROM node WHERE lease_until < $2 AND epoch <> $1";
    db.execute(sql, &[&&*node.0, &how.leases_ended_before.as_micros()]).await?;
    let mut taken = TakenOver::default();
    for owner in db.query(GONE_OWNERS, &[]).await? {
        let owner: &str = owner.try_get(0)?;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&owner, &i64::from(how.max_runs), &how.queue_deadline.as_micros()];
        taken.requeued += db.execute(REQUEUE, &values).await?;
        taken.lanes += Row::new("lane", &db.query_one(FREE_LANES, &[&owner]).await?).count("lanes")?;
        let room = i64::from(how.limit) - taken.lost.len() as i64;
        taken.lost.extend(seize_lost(&db, owner, node, room, how.max_runs).await?);
    }
    Ok(taken)
}

async fn seize_lost(
    db: &Db,
    owner: &str,
    node: &NodeEpoch,
    limit: i64,
    max_runs: u32,
) -> Outcome<Vec<LostRun>> {
    let rows = db.query(SEIZE_LOST, &[&owner, &&*node.0, &limit, &i64::from(max_runs)]).await?;
    let lost = rows.iter().map(|row| {
        let row = Row::new("live", row);
        let showed_life = row.count("revision")? > 0;
        Ok(LostRun { id: row.parse("prediction_id")?, runs: row.number("run")?, showed_life })
    });
    lost.collect()
}

async fn held_runs(db: Db, node: &NodeEpoch) -> Outcome<Vec<HeldRun>> {
    let sql = "SELECT prediction_id, lease_no, revision FROM live WHERE owner = $1";
    let rows = db.query(sql, &[&&*node.0]).await?;
    let held = rows.iter().map(|row| {
        let row = Row::new("live", row);
        let showed_life = row.count("revision")? > 0;
        Ok(HeldRun { id: row.parse("prediction_id")?, lease_no: row.count("lease_no")?, showed_life })
    });
    held.collect()
}

async fn server_time(db: Db) -> Outcome<Timestamp> {
    let row = db.query_one("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", &[]).await?;
    Ok(Timestamp::from_micros(row.try_get(0)?))
}

async fn live_nodes(db: Db, now: Timestamp) -> Outcome<Vec<Node>> {
    let sql = "SELECT epoch, roles, versions FROM node WHERE lease_until >= $1 ORDER BY epoch";
    let rows = db.query(sql, &[&now.as_micros()]).await?;
    let nodes = rows.iter().map(|row| {
        let row = Row::new("node", row);
        let versions = decode_versions(row.get("versions")?);
        Ok(Node {
            epoch: NodeEpoch(row.get::<&str>("epoch")?.into()),
            roles: row.get("roles")?,
            versions: versions.map_err(|error| row.corrupt("versions", &error))?,
        })
    });
    nodes.collect()
}

/// Whether this server takes writes. Nothing is written for it: a flush for each probe would be one too many.
async fn check(db: Db) -> Outcome<()> {
    let sql = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean";
    if db.query_one(sql, &[]).await?.try_get(0)? {
        let text =
            "PostgreSQL takes no writes here; connect to the primary, or wait until this server is one";
        return Err(Error::Unavailable(text.to_owned()).into());
    }
    Ok(())
}
