//! What is moved is all that there is.

use super::{dir, open};
use crate::sqlite::failure::Outcome;
use crate::transfer::{Kind, described};

/// Tables that say nothing about predictions: who runs on this store, how far its events are gone, and how its schema was made.
const NOT_MOVED: &str = "('event_gone', 'node', 'schema_version')";

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::RawText => "TEXT",
        Kind::Integer | Kind::Boolean => "INTEGER",
        Kind::Bytes => "BLOB",
    }
}

#[tokio::test]
async fn every_table_and_column_of_the_schema_is_moved() {
    let dir = dir();
    let store = open(dir.path());
    let read = store.read(|db| -> Outcome<_> {
        let sql = format!(
            "SELECT t.name, c.name, c.type, c.\"notnull\" = 0 AND c.pk = 0, c.pk
             FROM pragma_table_list AS t JOIN pragma_table_xinfo(t.name) AS c
             WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT IN {NOT_MOVED}"
        );
        let mut statement = db.prepare(&sql)?;
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
        Ok(rows.collect::<rusqlite::Result<Vec<(String, String, String, bool, i64)>>>()?)
    });
    let mut schema = read.await.expect("the schema is read");
    schema.sort();
    assert_eq!(schema, described(type_of));
}

#[tokio::test]
async fn a_value_of_another_kind_is_named() {
    let dir = dir();
    let store = open(dir.path());
    let changed = store.write(crate::sqlite::Class::Api, |batch| {
        batch.db.execute("PRAGMA ignore_check_constraints = ON", [])?;
        let sql = "INSERT INTO attempt VALUES ('p', 1, 2, 0, 0, NULL, 'c', 'd', 7, NULL)";
        Ok(batch.db.execute(sql, [])?)
    });
    changed.await.expect("the row is written");
    let table = crate::transfer::TABLES.last().expect("there are tables");
    let refused = crate::TransferStore::export_page(&*store, table, None, crate::transfer::PAGE).await.err();
    let Some(crate::Error::Corrupt { table, column, row, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((table, column, row.as_str()), ("attempt", "manual", "p/1/2"));
}
