//! The contract suite on SQLite.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cogwire_core::time::Timestamp;
use cogwire_store::contract::Home;
use cogwire_store::{SqliteOptions, SqliteStore, Store};
use tempfile::TempDir;

/// A data directory of its own.
struct SqliteHome {
    dir: TempDir,
    open: Mutex<Option<Arc<SqliteStore>>>,
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
}

fn home() -> Arc<dyn Home> {
    let dir = tempfile::tempdir().expect("a directory for the test");
    Arc::new(SqliteHome { dir, open: Mutex::new(None) })
}

cogwire_store::contract_tests!(home());
