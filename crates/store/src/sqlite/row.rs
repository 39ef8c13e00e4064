//! Reading rows. What does not decode is an error that names table, column and row.

use std::cell::Cell;
use std::fmt::Display;
use std::str::FromStr;

use cogwire_core::json::Json;
use cogwire_core::time::Timestamp;
use rusqlite::types::{FromSql, ValueRef};

use super::failure::{Failure, Outcome};
use crate::error::Error;

/// A row that knows where it comes from.
pub(super) struct Row<'a> {
    row: &'a rusqlite::Row<'a>,
    table: &'static str,
    /// Where the next column is looked for first: most are read in their order, and a search compares many names.
    next: Cell<usize>,
}

impl<'a> Row<'a> {
    /// A row of `table`; its first column is its key.
    pub(super) fn new(table: &'static str, row: &'a rusqlite::Row<'a>) -> Self {
        Self { row, table, next: Cell::new(0) }
    }

    /// A value that SQLite's own types hold.
    pub(super) fn get<T: FromSql>(&self, column: &'static str) -> Outcome<T> {
        let value = self.value(column)?;
        T::column_result(value).map_err(|error| self.corrupt(column, &error))
    }

    /// A text that stands for something, if it is there.
    pub(super) fn parse_optional<T: FromStr<Err: Display>>(
        &self,
        column: &'static str,
    ) -> Outcome<Option<T>> {
        let text = self.value(column)?.as_str_or_null().map_err(|error| self.corrupt(column, &error))?;
        text.map(str::parse).transpose().map_err(|error| self.corrupt(column, &error))
    }

    /// A text that stands for something.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self, column: &'static str) -> Outcome<T> {
        self.parse_optional(column)?.ok_or_else(|| self.corrupt(column, &"it is NULL"))
    }

    /// A text that is not parsed.
    pub(super) fn text(&self, column: &'static str) -> Outcome<&'a str> {
        let value = self.value(column)?;
        value.as_str().map_err(|error| self.corrupt(column, &error))
    }

    /// A number that is never negative.
    pub(super) fn count(&self, column: &'static str) -> Outcome<u64> {
        let number: i64 = self.get(column)?;
        u64::try_from(number).map_err(|error| self.corrupt(column, &error))
    }

    /// A point in time.
    pub(super) fn time(&self, column: &'static str) -> Outcome<Timestamp> {
        self.get(column).map(Timestamp::from_micros)
    }

    /// A point in time, if it is there.
    pub(super) fn optional_time(&self, column: &'static str) -> Outcome<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_micros))
    }

    /// JSON text, if it is there.
    pub(super) fn optional_json(&self, column: &'static str) -> Outcome<Option<Json>> {
        let text: Option<&str> =
            self.value(column)?.as_str_or_null().map_err(|error| self.corrupt(column, &error))?;
        text.map(Json::parse).transpose().map_err(|error| self.corrupt(column, &error))
    }

    /// JSON text.
    pub(super) fn json(&self, column: &'static str) -> Outcome<Json> {
        self.optional_json(column)?.ok_or_else(|| self.corrupt(column, &"it is NULL"))
    }

    fn value(&self, column: &'static str) -> Outcome<ValueRef<'a>> {
        let statement = self.row.as_ref();
        let is_next = statement.column_name(self.next.get()).is_ok_and(|name| name == column);
        let index = if is_next { self.next.get() } else { statement.column_index(column)? };
        self.next.set(index + 1);
        Ok(self.row.get_ref(index)?)
    }

    /// The error for a column that does not decode.
    pub(super) fn corrupt(&self, column: &'static str, reason: &dyn Display) -> Failure {
        let key: String = self.row.get(0).unwrap_or_else(|_| "with an unreadable key".to_owned());
        Error::Corrupt { table: self.table, column, row: key, reason: reason.to_string() }.into()
    }
}

/// A number as SQLite holds it. Counters never come near the limit.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A point in time as SQLite holds it.
pub(super) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}
