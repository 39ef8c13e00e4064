//! Reading and writing whole rows in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::types::{FromSql, ToSql};

use super::failure::{Outcome, text};
use super::{Class, Db, PostgresStore, Repeat};
use crate::error::{Error, Result};
use crate::transfer::{COLUMN_BYTES, Column, Key, Kind, PageSize, Row, Table, TransferStore, Value};

/// The table whose keys the database counts: rows that are added later must come after those that were moved.
const COUNTED: &str = "secret";

#[async_trait]
impl TransferStore for PostgresStore {
    async fn export_page(
        &self,
        table: &'static Table,
        after: Option<&Key>,
        page: PageSize,
    ) -> Result<Vec<Row>> {
        self.database.read(Class::Api, |db| export_page(db, table, after, page)).await
    }

    async fn import_rows(&self, table: &'static Table, rows: Vec<Row>) -> Result<u64> {
        self.database.work(Class::Work, Repeat::Safe, |db| import_rows(db, table, &rows)).await
    }

    async fn count_rows(&self, table: &'static Table) -> Result<u64> {
        self.database.read(Class::Api, |db| count_rows(db, table)).await
    }
}

async fn export_page(
    db: Db,
    table: &'static Table,
    after: Option<&Key>,
    page: PageSize,
) -> Outcome<Vec<Row>> {
    let (limit, bytes) = (i64::from(page.rows), i64::try_from(page.bytes).unwrap_or(i64::MAX));
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&limit, &bytes];
    let key: Vec<_> = after.iter().flat_map(|key| &key.0).map(parameter).collect();
    values.extend(key.iter().map(|value| &**value as &(dyn ToSql + Sync)));
    let rows = db.query(&page_sql(table, after.is_some()), &values).await?;
    rows.iter().map(|row| decode(table, row)).collect()
}

/// The sizes of values are known without reading them, so rows beyond the page are never read and sent.
pub(super) fn page_sql(table: &Table, has_begun: bool) -> String {
    let (columns, key) = (names(table.columns), names(table.key()));
    let condition =
        if has_begun { format!("WHERE ({key}) > ({})", places(3, table.key_columns)) } else { String::new() };
    format!(
        "SELECT {columns} FROM (
           SELECT {columns}, {size} AS row_size, sum({size}) OVER (ORDER BY {key} ROWS UNBOUNDED PRECEDING) AS total
           FROM {name} {condition} ORDER BY {key} LIMIT $1) AS page
         WHERE total <= $2::bigint OR total = row_size ORDER BY {key}",
        size = size(table.columns),
        name = table.name,
    )
}

async fn import_rows(db: Db, table: &'static Table, rows: &[Row]) -> Outcome<u64> {
    for row in rows {
        refuse_nul(row)?;
    }
    let (columns, key) = (names(table.columns), names(table.key()));
    let arrays: Vec<_> = (0..table.columns.len()).map(|index| array(rows, index)).collect();
    let casts = table.columns.iter().enumerate().map(|(index, column)| {
        let number = index + 1;
        format!("${number}::{}[]", sql_type(column.kind))
    });
    let casts = casts.collect::<Vec<_>>().join(", ");
    let sql = format!(
        "INSERT INTO {} ({columns}) SELECT * FROM UNNEST({casts}) ON CONFLICT ({key}) DO NOTHING",
        table.name
    );
    let values: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| &**array as _).collect();
    let added = db.execute(&sql, &values).await?;
    if added < rows.len() as u64 {
        require_same(&db, table, rows).await?;
    }
    if table.name == COUNTED {
        let sql =
            "SELECT setval(pg_get_serial_sequence('secret', 'id'), max(id)) FROM secret HAVING max(id) > 0";
        db.query(sql, &[]).await?;
    }
    Ok(added)
}

/// Some rows were there before. This is rare: a batch is only repeated when its answer was lost.
async fn require_same(db: &Db, table: &'static Table, rows: &[Row]) -> Outcome<()> {
    let (columns, key) = (names(table.columns), names(table.key()));
    let sql =
        format!("SELECT {columns} FROM {} WHERE ({key}) = ({})", table.name, places(1, table.key_columns));
    for row in rows {
        let key = row.key();
        let values: Vec<_> = key.0.iter().map(parameter).collect();
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as _).collect();
        let found = db.query_optional(&sql, &values).await?;
        if found.map(|found| decode(table, &found)).transpose()?.as_ref() != Some(row) {
            return Err(Error::Different { table: table.name, row: key.to_string() }.into());
        }
    }
    Ok(())
}

async fn count_rows(db: Db, table: &'static Table) -> Outcome<u64> {
    let row = db.query_one(&format!("SELECT count(*) FROM {}", table.name), &[]).await?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}

/// PostgreSQL would refuse the whole page without naming the row.
fn refuse_nul(row: &Row) -> Result<()> {
    let table = row.table();
    for (column, value) in table.columns.iter().zip(row.values()) {
        if let (Kind::Text, Value::Text(text)) = (column.kind, value)
            && text.contains('\0')
        {
            let reason = "it holds the character NUL, which PostgreSQL cannot store".to_owned();
            let row = row.key().to_string();
            return Err(Error::Corrupt { table: table.name, column: column.name, row, reason });
        }
    }
    Ok(())
}

/// An SQL expression for what [`Row::size`] says.
fn size(columns: &[Column]) -> String {
    let long = columns.iter().filter(|column| !matches!(column.kind, Kind::Integer | Kind::Boolean));
    let sizes = long.map(|column| format!("COALESCE(octet_length({})::bigint, 0)", column.name));
    let others = (columns.len() as u64 * COLUMN_BYTES).to_string();
    sizes.chain([others]).collect::<Vec<_>>().join(" + ")
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

fn places(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Integer => "bigint",
        Kind::Boolean => "boolean",
        Kind::RawText | Kind::Bytes => "bytea",
    }
}

/// A value of a key; none of them is optional or a raw text.
fn parameter(value: &Value) -> Box<dyn ToSql + Send + Sync + '_> {
    match value {
        Value::Text(text) => Box::new(text.as_str()),
        Value::Integer(number) => Box::new(*number),
        Value::Bytes(bytes) => Box::new(bytes.as_slice()),
        Value::Boolean(yes) => Box::new(*yes),
        Value::Null => Box::new(None::<i64>),
    }
}

/// The values of one column.
fn array(rows: &[Row], index: usize) -> Box<dyn ToSql + Send + Sync + '_> {
    let kind = rows.first().map_or(Kind::Text, |row| row.table().columns[index].kind);
    match kind {
        Kind::Text => Box::new(column(rows, index, |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })),
        Kind::RawText => Box::new(column(rows, index, |value| match value {
            Value::Text(text) => Some(text.as_bytes()),
            _ => None,
        })),
        Kind::Integer => Box::new(column(rows, index, |value| match value {
            Value::Integer(number) => Some(*number),
            _ => None,
        })),
        Kind::Boolean => Box::new(column(rows, index, |value| match value {
            Value::Boolean(yes) => Some(*yes),
            _ => None,
        })),
        Kind::Bytes => Box::new(column(rows, index, |value| match value {
            Value::Bytes(bytes) => Some(bytes.as_slice()),
            _ => None,
        })),
    }
}

fn column<'a, T>(rows: &'a [Row], index: usize, value: fn(&'a Value) -> Option<T>) -> Vec<Option<T>> {
    rows.iter().map(|row| value(&row.values()[index])).collect()
}

fn decode(table: &'static Table, row: &tokio_postgres::Row) -> Outcome<Row> {
    let mut values: Vec<Value> = Vec::with_capacity(table.columns.len());
    for (index, column) in table.columns.iter().enumerate() {
        let value = decode_value(column, row, index).map_err(|reason| {
            // The key comes first, so what there is so far is at least its beginning.
            let row = Key(values.iter().take(table.key_columns).cloned().collect()).to_string();
            Error::Corrupt { table: table.name, column: column.name, row, reason }
        })?;
        values.push(value);
    }
    Ok(Row::new(table, values))
}

fn decode_value(
    column: &Column,
    row: &tokio_postgres::Row,
    index: usize,
) -> std::result::Result<Value, String> {
    let value = match column.kind {
        Kind::Text => get(row, index)?.map(Value::Text),
        Kind::Integer => get(row, index)?.map(Value::Integer),
        Kind::Boolean => get(row, index)?.map(Value::Boolean),
        Kind::Bytes => get(row, index)?.map(Value::Bytes),
        Kind::RawText => {
            let text = get(row, index)?.map(String::from_utf8).transpose();
            text.map_err(|error| error.to_string())?.map(Value::Text)
        }
    };
    match value {
        None if !column.optional => Err("it is NULL".to_owned()),
        value => Ok(value.unwrap_or(Value::Null)),
    }
}

fn get<'a, T: FromSql<'a>>(
    row: &'a tokio_postgres::Row,
    index: usize,
) -> std::result::Result<Option<T>, String> {
    row.try_get(index).map_err(|error| text(&error))
}
