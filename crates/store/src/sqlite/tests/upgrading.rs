//! Schema versions: what is applied, what is refused, and what is kept.

use cogwire_core::time::Timestamp;
use rusqlite::Connection;

use super::{dir, open, options};
use crate::migration::{self, Migration};
use crate::sqlite::connection;
use crate::sqlite::schema::{self, MIGRATIONS};
use crate::sqlite::{FILE_NAME, SqliteStore};
use crate::{Error, NodeStore};

/// The schema that this program knows, and one step beyond.
const NOW: i64 = MIGRATIONS.len() as i64;
const NEXT: i64 = NOW + 1;
const ADDED: Migration =
    Migration { version: NEXT, sql: "CREATE TABLE added (id INTEGER PRIMARY KEY) STRICT" };
const BROKEN: Migration =
    Migration { version: NEXT, sql: "CREATE TABLE added (id INTEGER PRIMARY KEY); SELECT nonsense" };

fn with(step: Migration) -> Vec<Migration> {
    [MIGRATIONS, &[step]].concat()
}

async fn made_by_this_version() -> (tempfile::TempDir, Connection) {
    let dir = dir();
    open(dir.path()).close().await;
    let db = connection::open_writer(&dir.path().join(FILE_NAME)).expect("the file is a database");
    (dir, db)
}

fn version(db: &Connection, steps: &[Migration]) -> i64 {
    schema::version(db, steps).expect("it has a version").found
}

fn backups(dir: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join("backups")) else { return Vec::new() };
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name")).collect()
}

#[tokio::test]
async fn an_upgrade_leaves_a_backup_of_the_version_before() {
    let (dir, mut db) = made_by_this_version().await;
    assert!(backups(dir.path()).is_empty(), "a new database needs none");
    schema::migrate(&mut db, dir.path(), &with(ADDED), 1_700_000_000).expect("the upgrade works");
    assert_eq!(version(&db, &with(ADDED)), NEXT);
    assert_eq!(backups(dir.path()), [format!("cogwire-v{NOW}-1700000000.db")]);
    let copy = dir.path().join(format!("backups/cogwire-v{NOW}-1700000000.db"));
    let copy = Connection::open(copy).expect("the copy is a database");
    assert_eq!(version(&copy, MIGRATIONS), NOW);
    schema::migrate(&mut db, dir.path(), &with(ADDED), 1_800_000_000).expect("nothing is left to do");
    assert_eq!(backups(dir.path()).len(), 1);
}

/// What the first release wrote is there after the upgrade.
#[tokio::test]
async fn the_first_schema_is_upgraded_with_what_it_holds() {
    let dir = dir();
    let mut db = connection::open_writer(&dir.path().join(FILE_NAME)).expect("the file is a database");
    schema::migrate(&mut db, dir.path(), &MIGRATIONS[..1], 1).expect("the first schema is made");
    db.execute("INSERT INTO node (epoch, lease_until) VALUES ('one', 7)", []).expect("a row of that time");
    drop(db);
    let store = open(dir.path());
    let nodes = store.live_nodes(Timestamp::from_micros(7)).await.expect("the row decodes");
    assert_eq!((nodes.len(), nodes[0].versions.len()), (1, 0));
    store.close().await;
}

#[tokio::test]
async fn models_and_predictions_of_before_have_nothing_of_what_is_new() {
    let dir = dir();
    let mut db = connection::open_writer(&dir.path().join(FILE_NAME)).expect("the file is a database");
    schema::migrate(&mut db, dir.path(), &MIGRATIONS[..2], 1).expect("the schema of that time is made");
    db.execute_batch(&crate::contract::fixture::rows_of_before()).expect("rows of that time");
    drop(db);
    let store = open(dir.path());
    crate::contract::fixture::find_rows_of_before(&*store).await;
    store.close().await;
}

#[tokio::test]
async fn an_upgrade_that_fails_changes_nothing() {
    let (dir, mut db) = made_by_this_version().await;
    schema::migrate(&mut db, dir.path(), &with(BROKEN), 1).expect_err("the statement is nonsense");
    assert_eq!(version(&db, MIGRATIONS), NOW);
    assert!(!db.table_exists(None, "added").expect("the schema is read"));
}

#[tokio::test]
async fn a_newer_database_is_refused_and_not_touched() {
    let (dir, mut db) = made_by_this_version().await;
    schema::migrate(&mut db, dir.path(), &with(ADDED), 1).expect("the upgrade works");
    drop(db);
    let bytes = || std::fs::read(dir.path().join(FILE_NAME)).expect("the file is there");
    let before = bytes();
    for opened in [SqliteStore::open(dir.path(), options()), SqliteStore::open_shared(dir.path(), options())]
    {
        let refused = opened.err();
        assert!(matches!(refused, Some(Error::NewerSchema { found: NEXT, known: NOW })), "{refused:?}");
    }
    assert!(bytes() == before, "the file is as it was");
}

#[tokio::test]
async fn a_step_that_has_changed_is_noticed() {
    let (dir, mut db) = made_by_this_version().await;
    let steps = [&[Migration { version: 1, sql: "SELECT 1" }], &MIGRATIONS[1..]].concat();
    let refused = schema::migrate(&mut db, dir.path(), &steps, 1).map_err(Error::from);
    assert!(matches!(refused, Err(Error::Setup(_))), "{refused:?}");
}

#[tokio::test]
async fn a_command_does_not_upgrade() {
    let (_dir, db) = made_by_this_version().await;
    let current =
        |steps: &[Migration]| migration::require_current(schema::version(&db, steps).map_err(Error::from)?);
    current(MIGRATIONS).expect("it is current");
    let Err(Error::Setup(text)) = current(&with(ADDED)) else { panic!("it is too old") };
    assert!(text.contains(&format!("version is {NOW} and {NEXT} is needed")), "{text}");
}

#[test]
fn versions_count_from_one() {
    let versions: Vec<i64> = MIGRATIONS.iter().map(|step| step.version).collect();
    assert_eq!(versions, (1..=MIGRATIONS.len() as i64).collect::<Vec<_>>());
}
