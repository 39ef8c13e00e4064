//! Whom a store connects to, and what is said when it cannot.

use super::{World, until};
use crate::AccountStore;
use crate::contract::fixture::{account, at};
use crate::error::Error;
use crate::postgres::row::Row;
use crate::postgres::testing::{TestSchema, run, test_url, with_option};
use crate::postgres::{Class, Db, PostgresOptions, PostgresStore};

/// The sentence with which a store refuses to open.
async fn refusal(url: &str) -> String {
    let refused = PostgresStore::open(super::options(url)).await.err().expect("it does not open");
    assert!(matches!(refused, Error::Setup(_)), "{refused:?}");
    refused.to_string()
}

/// The test database's URL with another user and password, and another database.
fn as_user(credentials: &str, database: &str) -> String {
    let url = test_url();
    let (_, query) = url.split_once('?').expect("the test server is on a socket");
    format!("postgres://{credentials}@/{database}?{query}")
}

#[tokio::test]
async fn every_mistake_has_a_sentence_of_its_own() {
    let empty = tempfile::tempdir().expect("a directory");
    let socket = format!("postgres:///db?host={}", empty.path().display());
    let cases = [
        ("mysql://localhost/db".to_owned(), "it must look like postgres://USER:PASSWORD@HOST/DATABASE"),
        ("postgres://127.0.0.1:1/db".to_owned(), "nothing answers at 127.0.0.1:1 (Connection refused"),
        (socket, "start PostgreSQL there, or correct host and port"),
        (
            "postgres://no-such-host.invalid/db?sslmode=disable".to_owned(),
            "the host of no-such-host.invalid:5432 is not known",
        ),
        (as_user("with_password:wrong", "cogwire"), "refuses the password of user with_password"),
        (as_user("with_password", "cogwire"), "wants a password"),
        (as_user("nobody_at_all", "cogwire"), "does not let user nobody_at_all in"),
        (as_user("cogwire", "nowhere"), "make it with `createdb nowhere`"),
        (with_option(&test_url(), "search_path=nowhere"), "no schema of its search_path (nowhere) exists"),
    ];
    for (url, expected) in cases {
        let sentence = refusal(&url).await;
        assert!(sentence.contains(expected), "{url}: {sentence}");
        assert!(sentence.starts_with("--database-url"), "{sentence}");
        assert!(!sentence.contains("wrong"), "the password is not repeated: {sentence}");
    }
}

#[tokio::test]
async fn a_user_without_rights_is_told_what_to_grant() {
    let schema = TestSchema::create().await;
    run(&format!("GRANT USAGE ON SCHEMA {} TO with_password", schema.name())).await;
    let url =
        with_option(&as_user("with_password:correct", "cogwire"), &format!("search_path={}", schema.name()));
    let sentence = refusal(&url).await;
    assert!(sentence.contains("user with_password may not make or use Cogwire's tables"), "{sentence}");
    run(&format!("GRANT CREATE ON SCHEMA {} TO with_password", schema.name())).await;
    let store = PostgresStore::open(super::options(&url)).await.expect("now it may");
    store.ensure_account(&account("acme"), at(0)).await.expect("and it can write");
    store.close().await;
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused() {
    run("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0").await;
    let sentence = refusal(&as_user("cogwire", "latin")).await;
    run("DROP DATABASE latin").await;
    assert!(sentence.contains("the database's encoding is LATIN1 and must be UTF8"), "{sentence}");
}

#[tokio::test]
async fn a_closed_store_refuses_everything_and_holds_no_connection() {
    let world =
        World::with(|options| PostgresOptions { application_name: "test_of_closing".to_owned(), ..options })
            .await;
    world.store.ensure_account(&account("acme"), at(0)).await.expect("it is open");
    let other = world.beside().await;
    assert!(sessions(&other, "test_of_closing").await > 0);
    world.store.close().await;
    assert!(matches!(world.store.ensure_account(&account("acme"), at(0)).await, Err(Error::Closed)));
    world.store.close().await;
    until(async || sessions(&other, "test_of_closing").await == 0).await;
    other.close().await;
}

#[tokio::test]
async fn acknowledged_means_flushed_whatever_the_user_was_given() {
    let schema = TestSchema::create().await;
    for (given, used) in [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")] {
        let url = with_option(&schema.url(), &format!("synchronous_commit={given}"));
        let store = PostgresStore::open(super::options(&url)).await.expect("the store opens");
        assert_eq!(setting(&store, "synchronous_commit").await, used);
        assert_eq!(setting(&store, "statement_timeout").await, "5s");
        store.close().await;
    }
}

/// How many connections a program has, as the server sees it.
async fn sessions(store: &PostgresStore, program: &str) -> i64 {
    let sql = "SELECT count(*) AS sessions FROM pg_stat_activity WHERE application_name = $1";
    let read = store.database.read(Class::Api, async |db: Db| {
        Row::new("pg_stat_activity", &db.query_one(sql, &[&program]).await?).get("sessions")
    });
    read.await.expect("the sessions are read")
}

async fn setting(store: &PostgresStore, name: &str) -> String {
    let read = store.database.read(Class::Api, async |db: Db| {
        let row = db.query_one("SELECT current_setting($1) AS value", &[&name]).await?;
        Row::new("pg_settings", &row).get::<&str>("value").map(str::to_owned)
    });
    read.await.expect("the setting is read")
}
