//! The schema's versions: applying what is missing, once, and refusing what is not known.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use super::connection::Connector;
use super::failure::Outcome;
use super::setup;
use crate::error::Result;
use crate::migration::{self, Migration, SchemaVersion};

/// How long to wait for another server that upgrades the same database.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(300);

/// All steps, in order.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("../../migrations/postgres/0001_initial.sql") },
    Migration { version: 2, sql: include_str!("../../migrations/postgres/0002_models.sql") },
    Migration { version: 3, sql: include_str!("../../migrations/postgres/0003_delivery.sql") },
    Migration { version: 4, sql: include_str!("../../migrations/postgres/0004_traces.sql") },
    Migration { version: 5, sql: include_str!("../../migrations/postgres/0005_events.sql") },
];

/// Brings the connection's current schema to the newest of `steps`. Of several servers one does it and the others wait.
pub(super) async fn migrate(connector: &Connector, steps: &[Migration]) -> Result<()> {
    let client = setup::connect(connector).await?;
    let migrated = migrate_on(&client, steps).await;
    migrated.map_err(|failure| setup::explain(failure, connector.config()))
}

/// How far the connection's current schema is upgraded.
pub(super) async fn version(connector: &Connector, steps: &[Migration]) -> Result<SchemaVersion> {
    let client = setup::connect(connector).await?;
    check(&client, steps).await.map_err(|failure| setup::explain(failure, connector.config()))
}

async fn migrate_on(client: &Client, steps: &[Migration]) -> Outcome<()> {
    if check(client, steps).await?.is_current() {
        return Ok(());
    }
    // Changing a large table takes longer than statements may otherwise.
    client.batch_execute("SET statement_timeout = 0").await?;
    lock(client).await?;
    // Somebody else may have done it in the meantime.
    let found = check(client, steps).await?.found;
    for step in steps.iter().filter(|step| step.version > found) {
        apply(client, step).await?;
    }
    client.query_one("SELECT pg_advisory_unlock($1)", &[&lock_key(client).await?]).await?;
    Ok(())
}

/// Takes the lock of everybody who would upgrade this schema. It goes with the connection.
async fn lock(client: &Client) -> Outcome<()> {
    let key = lock_key(client).await?;
    let taken: bool = client.query_one("SELECT pg_try_advisory_lock($1)", &[&key]).await?.try_get(0)?;
    if !taken {
        tracing::info!("another server upgrades the database: waiting for it");
        let patience = UPGRADE_PATIENCE.as_millis();
        client.batch_execute(&format!("SET lock_timeout = {patience}")).await?;
        client.query_one("SELECT pg_advisory_lock($1)", &[&key]).await?;
    }
    Ok(())
}

/// Locks are for a whole database, and installations may share one: the schema's name is part of the key.
async fn lock_key(client: &Client) -> Outcome<i64> {
    let schema: String = client.query_one("SELECT current_schema()::text", &[]).await?.try_get(0)?;
    let hash: [u8; 32] = Sha256::digest(format!("cogwire schema {schema}")).into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    Ok(i64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

async fn check(client: &Client, steps: &[Migration]) -> Outcome<SchemaVersion> {
    Ok(migration::check(&applied(client).await?, steps)?)
}

/// The versions that were applied, with the checksums.
async fn applied(client: &Client) -> Outcome<Vec<(i64, Vec<u8>)>> {
    let sql =
        "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_version'";
    let tables: i64 = client.query_one(sql, &[]).await?.try_get(0)?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    let rows = client.query("SELECT version, checksum FROM schema_version", &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

async fn apply(client: &Client, step: &Migration) -> Outcome<()> {
    tracing::info!(version = step.version, "upgrading the database");
    let checksum: String = step.checksum().iter().map(|byte| format!("{byte:02x}")).collect();
    // Several statements in one message are one transaction; BEGIN says so to readers.
    let sql = format!(
        "BEGIN;
         CREATE TABLE IF NOT EXISTS schema_version (version bigint PRIMARY KEY, checksum bytea NOT NULL);
         {sql}
         INSERT INTO schema_version (version, checksum) VALUES ({version}, '\\x{checksum}');
         COMMIT",
        sql = step.sql,
        version = step.version,
    );
    Ok(client.batch_execute(&sql).await?)
}
