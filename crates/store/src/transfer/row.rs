//! Rows, and how each is one object of JSON: columns by name, in their order; bytes are base64.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::catalogue::{Column, Kind, Table};

/// What each column of a row counts beside its text or bytes.
pub(crate) const COLUMN_BYTES: u64 = 16;

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Nothing.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The key of a row. Keys of a table compare as every store compares them: texts and bytes bytewise, numbers as numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub Vec<Value>);

/// A row of a table, with a value for each of its columns.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    table: &'static Table,
    values: Vec<Value>,
}

impl Row {
    /// A row whose values are known to fit.
    pub(crate) fn new(table: &'static Table, values: Vec<Value>) -> Self {
        Self { table, values }
    }

    /// Reads the row from JSON.
    ///
    /// # Errors
    /// When a column is missing, unknown, twice there or of another kind.
    pub fn parse(table: &'static Table, json: &str) -> serde_json::Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let row = RowSeed(table).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(row)
    }

    /// Adds the row to `text`, as JSON.
    pub fn write(&self, text: &mut Vec<u8>) {
        for (index, (column, value)) in self.table.columns.iter().zip(&self.values).enumerate() {
            text.push(if index == 0 { b'{' } else { b',' });
            write_json(text, column.name);
            text.push(b':');
            match value {
                Value::Null => text.extend(b"null"),
                Value::Text(value) => write_json(text, value),
                Value::Integer(value) => write_json(text, value),
                Value::Boolean(value) => write_json(text, value),
                Value::Bytes(value) => write_json(text, &BASE64_STANDARD.encode(value)),
            }
        }
        text.push(b'}');
    }

    /// Its table.
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// Its values, in the order of the table's columns.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Its key.
    pub fn key(&self) -> Key {
        Key(self.values[..self.table.key_columns].to_vec())
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> u64 {
        self.values.iter().map(|value| value.length() + COLUMN_BYTES).sum()
    }
}

/// Without the values: some are secret, and some are long.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({} of {})", self.key(), self.table.name)
    }
}

impl Value {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Null | Self::Integer(_) | Self::Boolean(_) => 0,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(yes) => yes.fmt(f),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "/" };
            write!(f, "{separator}{value}")?;
        }
        Ok(())
    }
}

fn write_json<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(text, value).expect("texts and numbers are JSON, and a buffer takes them");
}

/// Reads a row of a table.
struct RowSeed(&'static Table);

impl<'de> DeserializeSeed<'de> for RowSeed {
    type Value = Row;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Row, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the columns of table {}", self.0.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Row, A::Error> {
        let columns = self.0.columns;
        let mut found: Vec<Option<Value>> = vec![None; columns.len()];
        while let Some(name) = members.next_key::<String>()? {
            let Some(index) = columns.iter().position(|column| column.name == name) else {
                return Err(A::Error::custom(format!("table {} has no column {name:?}", self.0.name)));
            };
            let value = members.next_value_seed(ValueSeed(&columns[index]))?;
            if found[index].replace(value).is_some() {
                return Err(A::Error::custom(format!("the column {name} is there twice")));
            }
        }
        let missing =
            |index: usize| A::Error::custom(format!("the column {} is missing", columns[index].name));
        let values = found.into_iter().enumerate().map(|(index, value)| value.ok_or_else(|| missing(index)));
        Ok(Row::new(self.0, values.collect::<Result<_, _>>()?))
    }
}

/// Reads a value of a column.
struct ValueSeed(&'static Column);

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let value = read_value(self.0.kind, deserializer);
        let value = value.map_err(|error| D::Error::custom(format!("column {}: {error}", self.0.name)))?;
        match value {
            None if !self.0.optional => Err(D::Error::custom(format!("column {}: it is null", self.0.name))),
            value => Ok(value.unwrap_or(Value::Null)),
        }
    }
}

fn read_value<'de, D: Deserializer<'de>>(kind: Kind, deserializer: D) -> Result<Option<Value>, D::Error> {
    Ok(match kind {
        Kind::Text | Kind::RawText => Option::deserialize(deserializer)?.map(Value::Text),
        Kind::Integer => Option::deserialize(deserializer)?.map(Value::Integer),
        Kind::Boolean => Option::deserialize(deserializer)?.map(Value::Boolean),
        Kind::Bytes => {
            let text: Option<String> = Option::deserialize(deserializer)?;
            let bytes = text.map(|text| BASE64_STANDARD.decode(text)).transpose();
            bytes.map_err(|_| D::Error::custom("it is not base64"))?.map(Value::Bytes)
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::catalogue::TABLES;
    use super::*;

    fn value(column: &'static Column) -> BoxedStrategy<Value> {
        let some = match column.kind {
            Kind::Text | Kind::RawText => any::<String>().prop_map(Value::Text).boxed(),
            Kind::Integer => any::<i64>().prop_map(Value::Integer).boxed(),
            Kind::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
            Kind::Bytes => any::<Vec<u8>>().prop_map(Value::Bytes).boxed(),
        };
        if column.optional { prop_oneof![Just(Value::Null), some].boxed() } else { some }
    }

    fn row() -> impl Strategy<Value = Row> {
        (0..TABLES.len()).prop_flat_map(|index| {
            let table = &TABLES[index];
            let values: Vec<_> = table.columns.iter().map(value).collect();
            values.prop_map(|values| Row::new(table, values))
        })
    }

    fn text(row: &Row) -> String {
        let mut text = Vec::new();
        row.write(&mut text);
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    proptest! {
        #[test]
        fn a_row_is_read_as_it_was_written(row in row()) {
            prop_assert_eq!(Row::parse(row.table(), &text(&row)).expect("it was just written"), row);
        }

        #[test]
        fn nothing_makes_reading_a_row_panic(index in 0..TABLES.len(), text in ".*") {
            let _ = Row::parse(&TABLES[index], &text);
        }
    }

    #[test]
    fn what_is_not_a_row_is_refused_with_its_column() {
        let account = &TABLES[0];
        let token = &TABLES[1];
        let refusals = [
            (account, r#"{"id":"a"}"#, "the column created_at is missing"),
            (account, r#"{"id":"a","created_at":1,"name":"b"}"#, "table account has no column \"name\""),
            (account, r#"{"id":"a","id":"a","created_at":1}"#, "the column id is there twice"),
            (account, r#"{"id":null,"created_at":1}"#, "column id: it is null"),
            (account, r#"{"id":"a","created_at":1.5}"#, "column created_at: invalid type"),
            (account, r#"{"id":"a","created_at":1} x"#, "trailing characters"),
            (account, r#"["a",1]"#, "an object with the columns of table account"),
            (token, r#"{"sha256":"?"}"#, "column sha256: it is not base64"),
        ];
        for (table, text, reason) in refusals {
            let refused = Row::parse(table, text).expect_err(text).to_string();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }

    #[test]
    fn keys_compare_as_stores_compare_them() {
        let key = |values: &[Value]| Key(values.to_vec());
        let text = |text: &str| Value::Text(text.to_owned());
        assert!(key(&[text("Z")]) < key(&[text("a")]) && key(&[text("a")]) < key(&[text("aa")]));
        assert!(key(&[text("z")]) < key(&[text("é")]), "bytewise, not by language");
        assert!(key(&[text("a"), Value::Integer(9)]) < key(&[text("a"), Value::Integer(10)]));
        assert_eq!(key(&[text("a"), Value::Integer(9), Value::Bytes(vec![1, 255])]).to_string(), "a/9/01ff");
    }
}
