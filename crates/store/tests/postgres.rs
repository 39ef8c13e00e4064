//! The contract suite on PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use cogwire_store::contract::Home;
use cogwire_store::postgres::testing::{TestSchema, run};
use cogwire_store::{PostgresOptions, PostgresStore, Store};
use tokio::sync::Mutex;

/// A schema of its own, made when the store is first opened.
#[derive(Default)]
struct PostgresHome {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<Arc<PostgresStore>>,
    schema: Option<TestSchema>,
}

#[async_trait]
impl Home for PostgresHome {
    async fn open(&self) -> Arc<dyn Store> {
        let mut state = self.state.lock().await;
        if state.schema.is_none() {
            state.schema = Some(TestSchema::create().await);
        }
        let url = state.schema.as_ref().expect("it was just made").url();
        let store = Arc::new(PostgresStore::open(PostgresOptions::new(url)).await.expect("the store opens"));
        state.open = Some(Arc::clone(&store));
        store
    }

    async fn close(&self) {
        let store = self.state.lock().await.open.take();
        store.expect("the store is open").close().await;
    }

    async fn tamper(&self, sql: &str) {
        let state = self.state.lock().await;
        let schema = state.schema.as_ref().expect("the store was opened");
        run(&format!("SET search_path = {}; {sql}", schema.name())).await;
    }
}

fn home() -> Arc<dyn Home> {
    Arc::new(PostgresHome::default())
}

cogwire_store::contract_tests!(home());
