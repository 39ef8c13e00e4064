//! Which store the servers under test use: SQLite, or PostgreSQL when `COGWIRE_TEST_STORE` is `postgres`.

use std::process::Command;

use cogwire::config::Database;
use cogwire_store::postgres::testing::TestSchema;

/// The most connections of each server: many of them run at once.
const CONNECTIONS: usize = 8;

/// A store of its own for one test.
pub(crate) enum TestStore {
    /// In the test's data directory.
    Sqlite,
    /// In a schema that is dropped at the end.
    Postgres(TestSchema),
}

impl TestStore {
    /// The kind that the environment asks for.
    pub(crate) async fn new() -> Self {
        match std::env::var("COGWIRE_TEST_STORE").as_deref() {
            Err(_) | Ok("sqlite") => Self::Sqlite,
            Ok("postgres") => Self::postgres().await,
            Ok(other) => panic!("COGWIRE_TEST_STORE is {other:?}, and must be sqlite or postgres"),
        }
    }

    /// PostgreSQL, whatever the environment asks for.
    pub(crate) async fn postgres() -> Self {
        Self::Postgres(TestSchema::create().await)
    }

    /// For the configuration of a server in this process.
    pub(crate) fn database(&self) -> Option<Database> {
        match self {
            Self::Sqlite => None,
            Self::Postgres(schema) => Some(Database { url: schema.url().into(), connections: CONNECTIONS }),
        }
    }

    /// For a server of its own process. What a killed one held is free soon.
    pub(crate) fn configure(&self, command: &mut Command) {
        if let Self::Postgres(schema) = self {
            command.env("COGWIRE_DATABASE_URL", schema.url());
            command.args([
                "--node-lease",
                "3s",
                "--webhook-timeout",
                "900ms",
                "--webhook-progress-timeout",
                "900ms",
            ]);
        }
    }
}
