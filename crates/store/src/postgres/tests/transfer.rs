//! What is moved is all that there is, and goes from SQLite to PostgreSQL and back.

use super::World;
use crate::contract::transfer::there_and_back;
use crate::error::Error;
use crate::postgres::Class;
use crate::postgres::failure::Outcome;
use crate::postgres::transfer::page_sql;
use crate::sqlite::testing::SqliteHome;
use crate::transfer::{Kind, PAGE, Row, TABLES, Table, TransferStore, described};

/// Tables that say nothing about predictions: who runs on this store, how far its events are gone, and how its schema was made.
const NOT_MOVED: &str = "('event_gone', 'node', 'schema_version')";

/// The number of a transaction of this server.
const NOT_MOVED_COLUMN: &str = "('event', 'transaction')";

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Integer => "bigint",
        Kind::Boolean => "boolean",
        Kind::RawText | Kind::Bytes => "bytea",
    }
}

fn table(name: &str) -> &'static Table {
    &TABLES[Table::position(name).expect("it is in the catalogue")]
}

#[tokio::test]
async fn every_table_and_column_of_the_schema_is_moved() {
    let world = World::new().await;
    let sql = format!(
        "SELECT c.table_name::text, c.column_name::text, c.data_type::text, c.is_nullable = 'YES',
           COALESCE(k.ordinal_position, 0)::bigint
         FROM information_schema.columns AS c
         LEFT JOIN information_schema.table_constraints AS t
           ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.constraint_type = 'PRIMARY KEY'
         LEFT JOIN information_schema.key_column_usage AS k
           ON k.constraint_schema = t.constraint_schema AND k.constraint_name = t.constraint_name
             AND k.column_name = c.column_name
         WHERE c.table_schema = current_schema() AND c.table_name NOT IN {NOT_MOVED}
           AND (c.table_name, c.column_name) <> {NOT_MOVED_COLUMN}"
    );
    let sql = &sql;
    let read = world.store.database.read(Class::Api, |db| async move {
        let rows = db.query(sql, &[]).await?;
        let columns = rows.iter().map(|row| {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?))
        });
        columns.collect::<Outcome<Vec<(String, String, String, bool, i64)>>>()
    });
    let mut schema = read.await.expect("the schema is read");
    schema.sort();
    assert_eq!(schema, described(type_of));
}

/// Rows that come later need keys after those that were moved, so every counter has to be known.
#[tokio::test]
async fn only_the_secrets_are_counted_by_the_database() {
    let world = World::new().await;
    let read = world.store.database.read(Class::Api, |db| async move {
        let sql = "SELECT table_name::text FROM information_schema.columns
                   WHERE table_schema = current_schema() AND (is_identity = 'YES' OR column_default LIKE 'nextval%')";
        let rows = db.query(sql, &[]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Outcome<Vec<String>>>()
    });
    assert_eq!(read.await.expect("the schema is read"), ["secret"]);
}

#[tokio::test]
async fn a_store_goes_from_sqlite_to_postgres_and_back() {
    let world = World::new().await;
    there_and_back(SqliteHome::create(), &world.store, SqliteHome::create()).await;
}

#[tokio::test]
async fn a_text_that_postgres_cannot_hold_is_named() {
    let world = World::new().await;
    let json = r#"{"id":"a\u0000b","created_at":1}"#;
    let row = Row::parse(table("account"), json).expect("it is a row");
    let refused = world.store.import_rows(table("account"), vec![row]).await.err();
    let Some(Error::Corrupt { table: named, column, reason, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((named, column), ("account", "id"));
    assert!(reason.contains("NUL"), "{reason}");
    let detail = r#"{"prediction_id":"p","seq":1,"number":1,"started_at":1,"duration_us":1,"status":null,"class":"c","detail":"a\u0000b","manual":true,"report":null}"#;
    let row = Row::parse(table("attempt"), detail).expect("it is a row");
    let added = world.store.import_rows(table("attempt"), vec![row.clone()]).await;
    assert_eq!(added.expect("such texts are bytes there"), 1);
    let read = world.store.export_page(table("attempt"), None, PAGE).await.expect("the row is read");
    assert_eq!(read, [row]);
}

/// A page is found by the key, and reading it does not cost more because the table is long.
#[tokio::test]
async fn a_page_is_read_by_the_key() {
    let world = World::new().await;
    let plan = world.store.database.read(Class::Api, |db| async move {
        let sql = format!("EXPLAIN {}", page_sql(table("delivery"), true));
        let rows = db.query(&sql, &[&1000_i64, &1000_i64, &"p", &1_i64]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Outcome<Vec<String>>>()
    });
    let plan = plan.await.expect("the plan is read").join("\n");
    assert!(plan.contains("Index Scan using delivery_pkey"), "{plan}");
    assert!(!plan.contains("Sort") && !plan.contains("Seq Scan"), "{plan}");
}
