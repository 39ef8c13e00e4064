//! A place for tests in a real database.

#![expect(clippy::panic, reason = "this is for tests: without a database they end")]

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::runtime::Builder;

use super::PostgresOptions;
use super::connection::Connector;

/// Names the server that tests may use.
pub const TEST_DATABASE_URL: &str = "COGWIRE_TEST_DATABASE_URL";

/// A schema of its own, which is dropped with everything in it.
pub struct TestSchema {
    name: String,
}

impl TestSchema {
    /// Makes an empty one.
    pub async fn create() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        // What a test left that was killed.
        run(&format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")).await;
        Self { name }
    }

    /// A URL whose connections find their tables here.
    pub fn url(&self) -> String {
        with_option(&test_url(), &format!("search_path={}", self.name))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestSchema {
    /// The runtime of the test may be at its end, so this is done on a thread and a runtime of its own.
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA {} CASCADE", self.name);
        let dropping = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
            runtime.block_on(run(&sql));
        });
        let dropped = dropping.join();
        assert!(dropped.is_ok() || std::thread::panicking(), "the schema {} was not dropped", self.name);
    }
}

/// The server that tests may use.
pub fn test_url() -> String {
    std::env::var(TEST_DATABASE_URL).unwrap_or_else(|_| {
        panic!("this test needs PostgreSQL: run `scripts/postgres run --fast cargo test ...`, or set {TEST_DATABASE_URL}")
    })
}

/// The URL with one more setting for its sessions.
pub fn with_option(url: &str, setting: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (options, rest): (Vec<&str>, Vec<&str>) =
        query.split('&').filter(|pair| !pair.is_empty()).partition(|pair| pair.starts_with("options="));
    let earlier = options.first().and_then(|pair| pair.strip_prefix("options=")).unwrap_or_default();
    let options = format!("options={earlier}%20-c%20{}", setting.replace('=', "%3D"));
    format!("{base}?{}", [&rest[..], &[options.as_str()]].concat().join("&"))
}

/// Runs statements as the owner of the test database.
pub async fn run(sql: &str) {
    let connector =
        Connector::new(&PostgresOptions::new(test_url())).expect("the URL of the test database is good");
    let client = connector.connect(None).await.map_err(crate::Error::from);
    let client = client.expect("the test database answers");
    client.batch_execute(sql).await.expect("the statements of the test are right");
}
