//! What only PostgreSQL promises: how it is opened and upgraded, what is retried, and what nodes do at the same time.

mod batching;
#[cfg(unix)]
mod cutting;
mod losing;
mod opening;
mod plans;
mod repeating;
mod restoring;
mod sharing;
#[cfg(unix)]
mod tls;
mod transfer;
#[cfg(unix)]
mod unheard;
mod upgrading;

use std::time::Duration;

use super::testing::TestSchema;
use super::{PostgresOptions, PostgresStore};

/// A store in a schema of its own.
struct World {
    store: PostgresStore,
    schema: TestSchema,
}

impl World {
    async fn new() -> Self {
        Self::with(|options| options).await
    }

    async fn with(change: impl FnOnce(PostgresOptions) -> PostgresOptions) -> Self {
        let schema = TestSchema::create().await;
        let options = change(options(&schema.url()));
        let store = PostgresStore::open(options).await.expect("the store opens");
        Self { store, schema }
    }

    /// Another server on the same tables.
    async fn beside(&self) -> PostgresStore {
        PostgresStore::open(options(&self.schema.url())).await.expect("the store opens")
    }

    /// Makes a table that only tests have.
    async fn table(&self, columns: &str) -> String {
        let table = format!("{}.sample", self.schema.name());
        super::testing::run(&format!("CREATE TABLE {table} ({columns})")).await;
        table
    }
}

/// Few connections, and short waits.
fn options(url: &str) -> PostgresOptions {
    PostgresOptions {
        connections: 4,
        acquire_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(5),
        ..PostgresOptions::new(url)
    }
}

/// Waits until something is so that others bring about.
async fn until(is_so: impl AsyncFn() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.expect("it comes to be so");
}
