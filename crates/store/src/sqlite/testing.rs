//! A place for tests.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cogwire_core::time::Timestamp;
use tempfile::TempDir;

use super::{FILE_NAME, SqliteOptions, SqliteStore};
use crate::Store;
use crate::contract::Home;

/// A data directory of its own.
pub struct SqliteHome {
    dir: TempDir,
    open: Mutex<Option<Arc<SqliteStore>>>,
}

impl SqliteHome {
    /// Makes an empty one.
    pub fn create() -> Arc<Self> {
        let dir = tempfile::tempdir().expect("a directory for the test");
        Arc::new(Self { dir, open: Mutex::new(None) })
    }
}

#[async_trait]
impl Home for SqliteHome {
    async fn open(&self) -> Arc<dyn Store> {
        let options = SqliteOptions::new(Timestamp::from_micros(0));
        let store = Arc::new(SqliteStore::open(self.dir.path(), options).expect("the store opens"));
        *self.open.lock().expect("no test panicked here") = Some(Arc::clone(&store));
        store
    }

    async fn close(&self) {
        let store = self.open.lock().expect("no test panicked here").take();
        store.expect("the store is open").close().await;
    }

    async fn tamper(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.dir.path().join(FILE_NAME)).expect("the database opens");
        db.execute_batch(sql).expect("the statement is right");
    }
}
