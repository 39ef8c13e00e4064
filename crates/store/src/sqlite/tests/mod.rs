//! What only SQLite promises: one server for each directory, upgrades, group commit, and what happens when storage fails.

mod opening;
mod plans;
mod transfer;
mod upgrading;
mod writing;

use std::path::Path;
use std::sync::Arc;

use super::{SqliteOptions, SqliteStore};
use crate::contract::fixture::at;

fn options() -> SqliteOptions {
    SqliteOptions::new(at(0))
}

fn open(dir: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(dir, options()).expect("the store opens"))
}

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory for the test")
}
