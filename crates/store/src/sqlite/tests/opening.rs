//! Who may open a data directory, and what is left when it is closed.

use rusqlite::Connection;

use super::{dir, open, options};
use crate::contract::fixture::{account, at, id, new, request};
use crate::sqlite::{FILE_NAME, SqliteStore};
use crate::{AccountStore, Error, PredictionStore};

#[tokio::test]
async fn a_second_server_is_refused_until_the_first_is_closed() {
    let dir = dir();
    let first = open(dir.path());
    let second = SqliteStore::open(dir.path(), options());
    assert!(matches!(second.err(), Some(Error::InUse(_))));
    first.close().await;
    drop(first);
    open(dir.path());
}

#[tokio::test]
async fn a_closed_store_refuses_everything() {
    let dir = dir();
    let store = open(dir.path());
    store.create(new(request(1))).await.expect("it is open");
    store.close().await;
    assert!(matches!(store.create(new(request(2))).await, Err(Error::Closed)));
    assert!(matches!(store.load(id(1)).await, Err(Error::Closed)));
    store.close().await;
    let log = dir.path().join(format!("{FILE_NAME}-wal"));
    assert!(!log.exists(), "everything is in the one file");
}

#[tokio::test]
async fn a_command_beside_the_server_writes_and_is_seen() {
    let dir = dir();
    let server = open(dir.path());
    let beside = SqliteStore::open_shared(dir.path(), options()).expect("it opens beside the server");
    assert!(beside.ensure_account(&account("acme"), at(0)).await.expect("the account is written"));
    assert!(!server.ensure_account(&account("acme"), at(0)).await.expect("the server sees it"));
    beside.close().await;
    server.create(new(request(1))).await.expect("the server goes on");
}

#[test]
fn a_command_without_a_database_is_refused() {
    let dir = dir();
    for opened in
        [SqliteStore::open_shared(dir.path(), options()), SqliteStore::open_alone(dir.path(), options())]
    {
        let refused = opened.err();
        assert!(matches!(refused, Some(Error::Setup(_))), "{refused:?}");
    }
    assert!(std::fs::read_dir(dir.path()).expect("it is a folder").next().is_none(), "it makes nothing");
}

#[tokio::test]
async fn a_command_that_works_alone_keeps_servers_out() {
    let dir = dir();
    let server = open(dir.path());
    let in_use = |opened: crate::Result<SqliteStore>| matches!(opened.err(), Some(Error::InUse(_)));
    assert!(in_use(SqliteStore::open_alone(dir.path(), options())));
    server.close().await;
    drop(server);
    let alone = SqliteStore::open_alone(dir.path(), options()).expect("no server uses it");
    assert!(in_use(SqliteStore::open(dir.path(), options())));
    alone.close().await;
}

#[tokio::test]
async fn the_version_of_the_schema_is_seen_beside_the_server() {
    let dir = dir();
    let version = || SqliteStore::schema_version(dir.path()).expect("it is read");
    assert!(version().found == 0 && !version().is_current());
    let server = open(dir.path());
    assert!(version().is_current());
    server.close().await;
    assert!(version().is_current());
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let parent = dir();
    let dir = parent.path().join("data");
    let store = open(&dir);
    store.create(new(request(1))).await.expect("it is written");
    store.backup_to(dir.join("copy.db")).await.expect("it is copied");
    let mode = |path: &std::path::Path| path.metadata().expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in std::fs::read_dir(&dir).expect("the directory is readable") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_backup_is_a_whole_database() {
    let [dir, other] = [dir(), dir()];
    let store = open(dir.path());
    store.create(new(request(1))).await.expect("it is written");
    store.backup_to(other.path().join(FILE_NAME)).await.expect("it is copied");
    store.create(new(request(2))).await.expect("the store goes on");
    let copy = open(other.path());
    assert!(copy.load(id(1)).await.expect("it is read").is_some());
    assert!(copy.load(id(2)).await.expect("it is read").is_none());
}

#[tokio::test]
async fn a_backup_becomes_the_database_of_an_empty_directory() {
    let [dir, other] = [dir(), dir()];
    let (copy, target) = (other.path().join("copy.db"), other.path().join("data"));
    let store = open(dir.path());
    store.create(new(request(1))).await.expect("it is written");
    store.backup_to(copy.clone()).await.expect("it is copied");
    assert!(SqliteStore::check_copy(&copy).expect("it is whole").is_current());
    SqliteStore::restore(&target, &copy).expect("nothing is there");
    let restored = open(&target);
    assert!(restored.load(id(1)).await.expect("it is read").is_some());
    assert!(matches!(SqliteStore::restore(&target, &copy), Err(Error::InUse(_))));
    restored.close().await;
    drop(restored);
    assert!(matches!(SqliteStore::restore(&target, &copy), Err(Error::Setup(_))), "it has a database");
}

#[tokio::test]
async fn a_damaged_backup_is_refused() {
    let dir = dir();
    let store = open(dir.path());
    for number in 0..200 {
        store.create(new(request(number))).await.expect("it is written");
    }
    let copy = dir.path().join("copy.db");
    store.backup_to(copy.clone()).await.expect("it is copied");
    let whole = std::fs::read(&copy).expect("it is read");
    let with = |bytes: &[u8]| {
        std::fs::write(&copy, bytes).expect("it is written");
        SqliteStore::check_copy(&copy).expect_err("it is damaged").to_string()
    };
    let mut page_lost = whole.clone();
    page_lost[whole.len() / 16384 * 8192..][..8192].fill(0);
    with(&page_lost);
    with(&whole[..whole.len() / 2]);
    with(b"no database");
    std::fs::remove_file(&copy).expect("it is there");
    Connection::open(&copy).and_then(|db| db.execute_batch("CREATE TABLE t (c)")).expect("another database");
    let refused = SqliteStore::check_copy(&copy).expect_err("it is of another program").to_string();
    assert!(refused.contains("is no database of cogwire"), "{refused}");
}

#[tokio::test]
async fn a_row_that_does_not_decode_is_named() {
    let dir = dir();
    let store = open(dir.path());
    store.create(new(request(1))).await.expect("it is written");
    let db = Connection::open(dir.path().join(FILE_NAME)).expect("the file is a database");
    db.execute("UPDATE prediction SET version = 'x'", []).expect("the row changes");
    let Err(Error::Corrupt { table, column, row, .. }) = store.load(id(1)).await else {
        panic!("the row does not decode")
    };
    assert_eq!((table, column, row), ("prediction", "version", id(1).to_string()));
}
