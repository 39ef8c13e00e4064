//! Nodes in SQLite, where there is one at a time, and what becomes of the work of those before it.

use async_trait::async_trait;
use cogwire_core::prediction::Limits;
use cogwire_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteStore;
use super::failure::Outcome;
use super::row::Row;
use super::writer::Class;
use crate::error::Result;
use crate::node::{LostRun, NodeEpoch, NodeStore, TakenOver};

#[async_trait]
impl NodeStore for SqliteStore {
    async fn register_node(&self, node: &NodeEpoch, _now: Timestamp, lease_until: Timestamp) -> Result<()> {
        let node = node.clone();
        self.write(Class::Critical, move |batch| register(batch.db, &node, lease_until)).await
    }

    async fn renew_node(&self, node: &NodeEpoch, lease_until: Timestamp) -> Result<bool> {
        let node = node.clone();
        self.write(Class::Critical, move |batch| renew(batch.db, &node, lease_until)).await
    }

    async fn retire_node(&self, node: &NodeEpoch) -> Result<()> {
        let node = node.clone();
        self.write(Class::Critical, move |batch| retire(batch.db, &node)).await
    }

    async fn take_over(
        &self,
        node: &NodeEpoch,
        now: Timestamp,
        max_runs: u32,
        limit: u32,
    ) -> Result<TakenOver> {
        let node = node.clone();
        self.write(Class::Critical, move |batch| take_over(batch.db, &node, now, max_runs, limit)).await
    }

    async fn check(&self) -> Result<()> {
        self.read(|db| Ok(db.query_row("SELECT 1 FROM schema_version LIMIT 1", [], |_| Ok(()))?)).await?;
        self.write(Class::Critical, |batch| check_write(batch.db)).await
    }
}

/// The directory's lock keeps every other server out, so every other epoch is over.
fn register(db: &Connection, node: &NodeEpoch, lease_until: Timestamp) -> Outcome<()> {
    db.prepare_cached("DELETE FROM node")?.execute([])?;
    let sql = "INSERT INTO node (epoch, lease_until) VALUES (?1, ?2)";
    db.prepare_cached(sql)?.execute(params![node.0, lease_until.as_micros()])?;
    Ok(())
}

fn renew(db: &Connection, node: &NodeEpoch, lease_until: Timestamp) -> Outcome<bool> {
    let sql = "UPDATE node SET lease_until = ?2 WHERE epoch = ?1";
    Ok(db.prepare_cached(sql)?.execute(params![node.0, lease_until.as_micros()])? > 0)
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

fn take_over(
    db: &Connection,
    node: &NodeEpoch,
    now: Timestamp,
    max_runs: u32,
    limit: u32,
) -> Outcome<TakenOver> {
    let mut taken = TakenOver::default();
    for owner in gone_owners(db, node, now)? {
        taken.requeued += requeue(db, &owner, now, max_runs)?;
        taken.lanes += free_lanes(db, &owner)?;
        let room = limit as usize - taken.lost.len();
        taken.lost.extend(seize_lost(db, &owner, node, room)?);
    }
    Ok(taken)
}

/// The owners of anything whose lease is over. Both tables are asked for one owner after the other, by index.
fn gone_owners(db: &Connection, node: &NodeEpoch, now: Timestamp) -> Outcome<Vec<String>> {
    let mut gone = Vec::new();
    let mut last = String::new();
    let sql = "SELECT MIN(owner) FROM (
                 SELECT MIN(owner) AS owner FROM live WHERE owner > ?1
                 UNION ALL SELECT MIN(owner) FROM lane WHERE owner > ?1)";
    let mut statement = db.prepare_cached(sql)?;
    while let Some(owner) = statement.query_row([&last], |row| row.get::<_, Option<String>>(0))? {
        if owner != *node.0 && !is_alive(db, &owner, now)? {
            gone.push(owner.clone());
        }
        last = owner;
    }
    Ok(gone)
}

fn is_alive(db: &Connection, owner: &str, now: Timestamp) -> Outcome<bool> {
    let sql = "SELECT lease_until >= ?2 FROM node WHERE epoch = ?1";
    let alive =
        db.prepare_cached(sql)?.query_row(params![owner, now.as_micros()], |row| row.get(0)).optional()?;
    Ok(alive.unwrap_or(false))
}

/// What had not shown any sign of life waits again. Its deadline was that of its setup, which says nothing about the
/// queue; the caller's own limit is kept.
fn requeue(db: &Connection, owner: &str, now: Timestamp, max_runs: u32) -> Outcome<u64> {
    let sql = "UPDATE live SET owner = NULL, lease_no = lease_no + 1,
                 deadline = COALESCE((SELECT MIN(cancel_at, ?3) FROM prediction WHERE id = prediction_id), ?3),
                 deadline_kind = CASE WHEN (SELECT cancel_at FROM prediction WHERE id = prediction_id) <= ?3
                   THEN 'cancel_after' ELSE 'queue' END
               WHERE owner = ?1 AND revision = 0 AND run <= ?2";
    let queue = (now + Limits::default().queue).as_micros();
    Ok(db.prepare_cached(sql)?.execute(params![owner, max_runs, queue])? as u64)
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
