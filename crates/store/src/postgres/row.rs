//! Reading rows. What does not decode is an error that names table, column and row.

use std::fmt::Display;
use std::str::FromStr;

use cogwire_core::json::Json;
use cogwire_core::time::Timestamp;
use tokio_postgres::types::FromSql;

use super::failure::{Failure, Outcome};
use crate::error::Error;

/// A row that knows where it comes from.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    row: &'a tokio_postgres::Row,
    table: &'static str,
}

impl<'a> Row<'a> {
    /// A row of `table`; its first column is its key.
    pub(super) fn new(table: &'static str, row: &'a tokio_postgres::Row) -> Self {
        Self { row, table }
    }

    /// A value that PostgreSQL's own types hold: `i64`, `bool`, `&str`, `&[u8]`, each also optional.
    pub(super) fn get<T: FromSql<'a>>(&self, column: &'static str) -> Outcome<T> {
        self.row.try_get(column).map_err(|error| self.corrupt(column, &super::failure::text(&error)))
    }

    /// A text that stands for something, if it is there.
    pub(super) fn parse_optional<T: FromStr<Err: Display>>(
        &self,
        column: &'static str,
    ) -> Outcome<Option<T>> {
        let text: Option<&str> = self.get(column)?;
        text.map(str::parse).transpose().map_err(|error| self.corrupt(column, &error))
    }

    /// A text that stands for something.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self, column: &'static str) -> Outcome<T> {
        self.parse_optional(column)?.ok_or_else(|| self.corrupt(column, &"it is NULL"))
    }

    /// A number of a smaller or unsigned type, if it is there.
    pub(super) fn optional_number<T: TryFrom<i64, Error: Display>>(
        &self,
        column: &'static str,
    ) -> Outcome<Option<T>> {
        let number: Option<i64> = self.get(column)?;
        number.map(T::try_from).transpose().map_err(|error| self.corrupt(column, &error))
    }

    /// A number of a smaller or unsigned type.
    pub(super) fn number<T: TryFrom<i64, Error: Display>>(&self, column: &'static str) -> Outcome<T> {
        self.optional_number(column)?.ok_or_else(|| self.corrupt(column, &"it is NULL"))
    }

    /// A number that is never negative.
    pub(super) fn count(&self, column: &'static str) -> Outcome<u64> {
        self.number(column)
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
        let text: Option<&str> = self.get(column)?;
        text.map(Json::parse).transpose().map_err(|error| self.corrupt(column, &error))
    }

    /// JSON text.
    pub(super) fn json(&self, column: &'static str) -> Outcome<Json> {
        self.optional_json(column)?.ok_or_else(|| self.corrupt(column, &"it is NULL"))
    }

    /// A text that may hold any character, and is therefore stored as bytes, if it is there.
    pub(super) fn optional_raw_text(&self, column: &'static str) -> Outcome<Option<&'a str>> {
        let bytes: Option<&[u8]> = self.get(column)?;
        bytes.map(std::str::from_utf8).transpose().map_err(|error| self.corrupt(column, &error))
    }

    /// A text that may hold any character, and is therefore stored as bytes.
    pub(super) fn raw_text(&self, column: &'static str) -> Outcome<&'a str> {
        self.optional_raw_text(column)?.ok_or_else(|| self.corrupt(column, &"it is NULL"))
    }

    /// Bytes of a fixed number, such as a hash.
    pub(super) fn bytes<const N: usize>(&self, column: &'static str) -> Outcome<[u8; N]> {
        let bytes: &[u8] = self.get(column)?;
        bytes.try_into().map_err(|_| self.corrupt(column, &format!("it has {} bytes, not {N}", bytes.len())))
    }

    /// The error for a column that does not decode.
    pub(super) fn corrupt(&self, column: &'static str, reason: &dyn Display) -> Failure {
        let key: &str = self.row.try_get(0).unwrap_or("with an unreadable key");
        Error::Corrupt { table: self.table, column, row: key.to_owned(), reason: reason.to_string() }.into()
    }
}

/// A number as PostgreSQL holds it. Counters never come near the limit.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A point in time as PostgreSQL holds it.
pub(super) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}
