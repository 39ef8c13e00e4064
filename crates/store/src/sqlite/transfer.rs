//! Reading and writing whole rows in SQLite.

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::SqliteStore;
use super::failure::Outcome;
use super::writer::Class;
use crate::error::{Error, Result};
use crate::transfer::{Column, Key, Kind, PageSize, Row, Table, TransferStore, Value};

#[async_trait]
impl TransferStore for SqliteStore {
    async fn export_page(
        &self,
        table: &'static Table,
        after: Option<&Key>,
        page: PageSize,
    ) -> Result<Vec<Row>> {
        let after = after.cloned();
        self.read(move |db| export_page(db, table, after.as_ref(), page)).await
    }

    async fn import_rows(&self, table: &'static Table, rows: Vec<Row>) -> Result<u64> {
        self.write(Class::Background, move |batch| import_rows(batch.db, table, &rows)).await
    }

    async fn count_rows(&self, table: &'static Table) -> Result<u64> {
        self.read(move |db| {
            let count: i64 =
                db.query_row(&format!("SELECT COUNT(*) FROM {}", table.name), [], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
        .await
    }
}

fn export_page(
    db: &Connection,
    table: &'static Table,
    after: Option<&Key>,
    page: PageSize,
) -> Outcome<Vec<Row>> {
    let (columns, key) = (names(table.columns), names(table.key()));
    let condition = match after {
        Some(_) => format!("WHERE ({key}) > ({})", places(table.key_columns)),
        None => String::new(),
    };
    let sql = format!("SELECT {columns} FROM {} {condition} ORDER BY {key} LIMIT {}", table.name, page.rows);
    let mut statement = db.prepare_cached(&sql)?;
    let mut stored = statement.query(params_from_iter(after.into_iter().flat_map(|key| &key.0)))?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = stored.next()? {
        let row = decode(table, row)?;
        bytes += row.size();
        // The first one has room in any case.
        if bytes > page.bytes && !rows.is_empty() {
            break;
        }
        rows.push(row);
    }
    Ok(rows)
}

fn import_rows(db: &Connection, table: &'static Table, rows: &[Row]) -> Outcome<u64> {
    let (columns, key) = (names(table.columns), names(table.key()));
    let places = places(table.columns.len());
    let sql =
        format!("INSERT INTO {} ({columns}) VALUES ({places}) ON CONFLICT ({key}) DO NOTHING", table.name);
    let mut insert = db.prepare_cached(&sql)?;
    let mut added = 0;
    for row in rows {
        match insert.execute(params_from_iter(row.values()))? {
            0 => require_same(db, row)?,
            _ => added += 1,
        }
    }
    Ok(added)
}

fn require_same(db: &Connection, row: &Row) -> Outcome<()> {
    let (table, key) = (row.table(), row.key());
    let condition = format!("({}) = ({})", names(table.key()), places(table.key_columns));
    let sql = format!("SELECT {} FROM {} WHERE {condition}", names(table.columns), table.name);
    let mut statement = db.prepare_cached(&sql)?;
    let mut stored = statement.query(params_from_iter(&key.0))?;
    match stored.next()? {
        Some(found) if decode(table, found)? == *row => Ok(()),
        _ => Err(Error::Different { table: table.name, row: key.to_string() }.into()),
    }
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn decode(table: &'static Table, row: &rusqlite::Row<'_>) -> Outcome<Row> {
    let mut values: Vec<Value> = Vec::with_capacity(table.columns.len());
    for (index, column) in table.columns.iter().enumerate() {
        let value = decode_value(column, row.get_ref(index)?).map_err(|reason| {
            // The key comes first, so what there is so far is at least its beginning.
            let row = Key(values.iter().take(table.key_columns).cloned().collect()).to_string();
            Error::Corrupt { table: table.name, column: column.name, row, reason }
        })?;
        values.push(value);
    }
    Ok(Row::new(table, values))
}

fn decode_value(column: &Column, value: ValueRef<'_>) -> std::result::Result<Value, String> {
    match (column.kind, value) {
        (_, ValueRef::Null) if column.optional => Ok(Value::Null),
        (Kind::Text | Kind::RawText, ValueRef::Text(bytes)) => {
            String::from_utf8(bytes.to_vec()).map(Value::Text).map_err(|error| error.to_string())
        }
        (Kind::Integer, ValueRef::Integer(number)) => Ok(Value::Integer(number)),
        (Kind::Boolean, ValueRef::Integer(number @ (0 | 1))) => Ok(Value::Boolean(number == 1)),
        (Kind::Bytes, ValueRef::Blob(bytes)) => Ok(Value::Bytes(bytes.to_vec())),
        (kind, value) => Err(format!("it is {:?}, not {kind:?}", value.data_type())),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Text(text) => text.to_sql()?,
            Self::Integer(number) => number.to_sql()?,
            Self::Boolean(yes) => yes.to_sql()?,
            Self::Bytes(bytes) => bytes.to_sql()?,
        })
    }
}
