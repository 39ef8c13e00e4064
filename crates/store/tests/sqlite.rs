//! The contract suite on SQLite.

use std::sync::Arc;

use cogwire_store::contract::Home;
use cogwire_store::sqlite::testing::SqliteHome;

fn home() -> Arc<dyn Home> {
    SqliteHome::create()
}

cogwire_store::contract_tests!(home());
