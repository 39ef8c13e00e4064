//! Nodes in SQLite, where there is one at a time, and what becomes of the work of those before it.

use async_trait::async_trait;
use cogwire_core::id::VersionId;
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::failure::Outcome;
use super::row::Row;
use super::writer::Class;
use crate::error::Result;
use crate::node::{
    HeldRun, LostRun, Node, NodeEpoch, NodeStore, Renewal, TakeOver, TakenOver, decode_versions,
    encode_versions,
};
use crate::signal::{Signal, SignalStore};

#[async_trait]
impl NodeStore for SqliteStore {
    async fn register_node(&self, node: &Node, lease_until: Timestamp) -> Result<()> {
        let node = node.clone();
        self.write(Class::Critical, move |batch| register(batch.db, &node, lease_until)).await
    }

    async fn renew_node(&self, node: &NodeEpoch, now: Timestamp, lease_until: Timestamp) -> Result<Renewal> {
        let node = node.clone();
        self.write(Class::Critical, move |batch| renew(batch.db, &node, now, lease_until)).await
    }

    async fn announce(&self, node: &NodeEpoch, versions: &[VersionId]) -> Result<()> {
        let (node, versions) = (node.clone(), encode_versions(versions));
        self.write(Class::Critical, move |batch| announce(batch.db, &node, &versions)).await
    }

    async fn retire_node(&self, node: &NodeEpoch) -> Result<()> {
        let node = node.clone();
        self.write(Class::Critical, move |batch| retire(batch.db, &node)).await
    }

    async fn take_over(&self, node: &NodeEpoch, how: TakeOver) -> Result<TakenOver> {
        let node = node.clone();
        self.write(Class::Critical, move |batch| take_over(batch.db, &node, &how)).await
    }

    async fn held_runs(&self, node: &NodeEpoch) -> Result<Vec<HeldRun>> {
        let node = node.clone();
        self.read(move |db| held_runs(db, &node)).await
    }

    async fn live_nodes(&self, now: Timestamp) -> Result<Vec<Node>> {
        self.read(move |db| live_nodes(db, now)).await
    }

    /// One process on one machine needs no other clock than its own.
    async fn server_time(&self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    async fn check(&self) -> Result<()> {
        self.read(|db| Ok(db.query_row("SELECT 1 FROM schema_version LIMIT 1", [], |_| Ok(()))?)).await?;
        self.write(Class::Critical, |batch| check_write(batch.db)).await
    }
}

/// There are no other nodes.
#[async_trait]
impl SignalStore for SqliteStore {
    fn signal(&self, _signal: Signal) {}

    async fn next_signal(&self) -> Signal {
        std::future::pending().await
    }
}

/// The directory's lock keeps every other server out, so every other epoch is over.
fn register(db: &Connection, node: &Node, lease_until: Timestamp) -> Outcome<()> {
    db.prepare_cached("DELETE FROM node")?.execute([])?;
    let sql = "INSERT INTO node (epoch, lease_until, roles, versions) VALUES (?1, ?2, ?3, ?4)";
    let versions = encode_versions(&node.versions);
    db.prepare_cached(sql)?.execute(params![node.epoch.0, lease_until.as_micros(), node.roles, versions])?;
    Ok(())
}

fn renew(db: &Connection, node: &NodeEpoch, now: Timestamp, lease_until: Timestamp) -> Outcome<Renewal> {
    let sql = "UPDATE node SET lease_until = MAX(lease_until, ?2) WHERE epoch = ?1";
    if db.prepare_cached(sql)?.execute(params![node.0, lease_until.as_micros()])? == 0 {
        return Ok(Renewal::GivenUp);
    }
    let sql = "SELECT COUNT(*) FROM node WHERE epoch <> ?1 AND lease_until >= ?2";
    let peers = db.prepare_cached(sql)?.query_row(params![node.0, now.as_micros()], |row| row.get(0))?;
    Ok(Renewal::Renewed { peers })
}

fn announce(db: &Connection, node: &NodeEpoch, versions: &str) -> Outcome<()> {
    let sql = "UPDATE node SET versions = ?2 WHERE epoch = ?1";
    db.prepare_cached(sql)?.execute(params![node.0, versions])?;
    Ok(())
}

fn retire(db: &Connection, node: &NodeEpoch) -> Outcome<()> {
    db.prepare_cached("DELETE FROM node WHERE epoch = ?1")?.execute(params![node.0])?;
    Ok(())
}

/// Writes something that changes nothing for anybody, so that a full or broken disk is noticed.
fn check_write(db: &Connection) -> Outcome<()> {
    db.prepare_cached("UPDATE schema_version SET version = version")?.execute([])?;
    Ok(())
}

fn take_over(db: &Connection, node: &NodeEpoch, how: &TakeOver) -> Outcome<TakenOver> {
    give_up_ended(db, node, how.leases_ended_before)?;
    let mut taken = TakenOver::default();
    for owner in gone_owners(db)? {
        taken.requeued += requeue(db, &owner, how)?;
        taken.lanes += free_lanes(db, &owner)?;
        let room = how.limit as usize - taken.lost.len();
        taken.lost.extend(seize_lost(db, &owner, node, room)?);
    }
    Ok(taken)
}

/// A node whose lease is over finds its row gone when it comes back, and knows that it has to stop. No node gives itself up.
fn give_up_ended(db: &Connection, node: &NodeEpoch, now: Timestamp) -> Outcome<()> {
    let sql = "DELETE FROM node WHERE lease_until < ?2 AND epoch <> ?1";
    db.prepare_cached(sql)?.execute(params![node.0, now.as_micros()])?;
    Ok(())
}

/// The owners of anything that are no nodes any more. Both tables are asked for one owner after the other, by index.
fn gone_owners(db: &Connection) -> Outcome<Vec<String>> {
    let mut gone = Vec::new();
    let mut last = String::new();
    let sql = "SELECT MIN(owner) FROM (
                 SELECT MIN(owner) AS owner FROM live WHERE owner > ?1
                 UNION ALL SELECT MIN(owner) FROM lane WHERE owner > ?1)";
    let mut statement = db.prepare_cached(sql)?;
    while let Some(owner) = statement.query_row([&last], |row| row.get::<_, Option<String>>(0))? {
        if !is_node(db, &owner)? {
            gone.push(owner.clone());
        }
        last = owner;
    }
    Ok(gone)
}

fn is_node(db: &Connection, owner: &str) -> Outcome<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM node WHERE epoch = ?1")?.exists([owner])?)
}

fn held_runs(db: &Connection, node: &NodeEpoch) -> Outcome<Vec<HeldRun>> {
    let mut statement =
        db.prepare_cached("SELECT prediction_id, lease_no, revision FROM live WHERE owner = ?1")?;
    let mut rows = statement.query([&node.0])?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new("live", row);
        let showed_life = row.count("revision")? > 0;
        held.push(HeldRun { id: row.parse("prediction_id")?, lease_no: row.count("lease_no")?, showed_life });
    }
    Ok(held)
}

fn live_nodes(db: &Connection, now: Timestamp) -> Outcome<Vec<Node>> {
    let mut statement =
        db.prepare_cached("SELECT epoch, roles, versions FROM node WHERE lease_until >= ?1 ORDER BY epoch")?;
    let mut rows = statement.query([now.as_micros()])?;
    let mut nodes = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new("node", row);
        let versions = decode_versions(row.text("versions")?);
        nodes.push(Node {
            epoch: NodeEpoch(row.text("epoch")?.into()),
            roles: row.get("roles")?,
            versions: versions.map_err(|error| row.corrupt("versions", &error))?,
        });
    }
    Ok(nodes)
}

/// What had not shown any sign of life waits again, unless it is a training. Its deadline was that of its setup, which says nothing about the
/// queue; the caller's own limit is kept.
fn requeue(db: &Connection, owner: &str, how: &TakeOver) -> Outcome<u64> {
    let sql = "UPDATE live SET owner = NULL, lease_no = lease_no + 1,
                 deadline = COALESCE((SELECT MIN(cancel_at, ?3) FROM prediction WHERE id = prediction_id), ?3),
                 deadline_kind = CASE WHEN (SELECT cancel_at FROM prediction WHERE id = prediction_id) <= ?3
                   THEN 'cancel_after' ELSE 'queue' END
               WHERE owner = ?1 AND revision = 0 AND run <= ?2
                 AND EXISTS (SELECT 1 FROM prediction WHERE id = prediction_id AND kind <> 'training')";
    let values = params![owner, how.max_runs, how.queue_deadline.as_micros()];
    Ok(db.prepare_cached(sql)?.execute(values)? as u64)
}

/// Claims the others for `node`, so that only it ends them.
fn seize_lost(db: &Connection, owner: &str, node: &NodeEpoch, limit: usize) -> Outcome<Vec<LostRun>> {
    let sql = "UPDATE live SET owner = ?2, lease_no = lease_no + 1
               WHERE prediction_id IN (SELECT prediction_id FROM live WHERE owner = ?1 ORDER BY prediction_id LIMIT ?3)
               RETURNING prediction_id, run, revision";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![owner, node.0, limit as i64])?;
    let mut lost = Vec::new();
    while let Some(row) = rows.next()? {
        let row = Row::new("live", row);
        let showed_life = row.count("revision")? > 0;
        lost.push(LostRun { id: row.parse("prediction_id")?, runs: row.get("run")?, showed_life });
    }
    Ok(lost)
}

/// Lanes are due again as they were. A message that was under way when its sender went is not sent again, unless it is
/// final.
fn free_lanes(db: &Connection, owner: &str) -> Outcome<u64> {
    let interrupt = "UPDATE delivery SET state = 'interrupted' WHERE state = 'sending' AND (prediction_id, seq) IN
                       (SELECT prediction_id, in_flight_seq FROM lane WHERE owner = ?1 AND in_flight_seq IS NOT NULL)";
    db.prepare_cached(interrupt)?.execute([owner])?;
    let forget = "DELETE FROM lane WHERE owner = ?1 AND due_at IS NULL AND open = 0";
    db.prepare_cached(forget)?.execute([owner])?;
    let free = "UPDATE lane SET owner = NULL, lease_no = lease_no + 1, in_flight_seq = NULL WHERE owner = ?1";
    Ok(db.prepare_cached(free)?.execute([owner])? as u64)
}
