//! Reads an export line by line, and trusts none of it.
//!
//! Tables come in their order, rows by ascending key, and the last line says what there was: what was lost, doubled, moved
//! or changed on the way is found.

use std::io::BufRead;

use super::catalogue::{TABLES, Table};
use super::digest::{Digests, Running};
use super::error::TransferError;
use super::format::{self, Body, Header};
use super::lines::{LONGEST_LINE, Line, Lines};
use super::row::{Key, Row};

const AFTER_END: &str = "there is something after the last line";

/// What a line says.
#[derive(Debug)]
pub enum Item {
    /// It is the first.
    Header(Header),
    /// It is a row.
    Row(Row),
    /// It is the last.
    End,
}

/// How far an export has been read or written.
#[derive(Debug, Clone)]
pub struct Position {
    /// The table of the last row, by its position.
    pub(super) table: usize,
    /// How far each table goes.
    pub(super) marks: Vec<Mark>,
    /// What there was.
    pub(super) digests: Digests,
}

/// How far a table goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Mark {
    /// The key of its last row.
    pub(super) last: Option<Key>,
    /// The key of the row before that.
    pub(super) before: Option<Key>,
    /// The table's digest before its last row.
    pub(super) digest_before: Running,
}

impl Default for Position {
    fn default() -> Self {
        Self { table: 0, marks: vec![Mark::default(); TABLES.len()], digests: Digests::default() }
    }
}

impl Position {
    /// The number of rows so far.
    pub fn rows(&self) -> u64 {
        self.digests.rows()
    }

    /// Takes in the next row of the table at `table`, which is also given as JSON. The error says why it cannot follow.
    pub(super) fn advance(&mut self, table: usize, row: &Row, json: &[u8]) -> Result<(), String> {
        let (name, mark, key) = (row.table().name, &mut self.marks[table], row.key());
        if table < self.table {
            return Err(format!("table {name} comes before table {}", TABLES[self.table].name));
        }
        if mark.last.as_ref().is_some_and(|last| *last >= key) {
            return Err(format!(
                "rows of table {name} must have ascending keys, and {key} is not the next one"
            ));
        }
        self.table = table;
        mark.before = mark.last.replace(key);
        mark.digest_before = self.digests.0[table].clone();
        self.digests.0[table].add(json);
        Ok(())
    }
}

/// Reads the lines of an export, one after the other.
#[derive(Debug, Default)]
pub struct Reader {
    lines: u64,
    header: Option<Header>,
    position: Position,
    ended: bool,
    /// A row as JSON; kept because it may be long.
    json: Vec<u8>,
}

impl Reader {
    /// Reads the next line, which is given without its end.
    ///
    /// # Errors
    /// When the line is not one that can follow those before it.
    pub fn read(&mut self, line: &[u8]) -> Result<Item, TransferError> {
        let item = self.interpret(line).map_err(|reason| self.wrong_next(reason))?;
        self.lines += 1;
        Ok(item)
    }

    /// Reads the next line of a text; `None` when it has no more whole ones.
    ///
    /// # Errors
    /// As [`Reader::read`], and when the text cannot be read or a line is too long.
    pub fn read_next<R: BufRead>(&mut self, lines: &mut Lines<R>) -> Result<Option<Item>, TransferError> {
        match lines.next_line().map_err(TransferError::Read)? {
            Line::Whole => self.read(lines.bytes()).map(Some),
            Line::Cut if self.ended => Err(self.wrong_next(AFTER_END)),
            Line::Cut | Line::End => Ok(None),
            Line::TooLong => Err(self.wrong_next(format!("it is longer than {LONGEST_LINE} bytes"))),
        }
    }

    fn wrong_next(&self, reason: impl Into<String>) -> TransferError {
        TransferError::Line { number: self.lines + 1, reason: reason.into() }
    }

    /// What was there, when the last line has been read.
    ///
    /// # Errors
    /// When there was none.
    pub fn finish(self) -> Result<Digests, TransferError> {
        if self.ended { Ok(self.position.digests) } else { Err(TransferError::CutOff { lines: self.lines }) }
    }

    /// Whether the last line has been read.
    pub fn is_complete(&self) -> bool {
        self.ended
    }

    /// What the first line said, if it has been read.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// How far the export goes, for going on with it.
    pub fn into_position(self) -> Position {
        self.position
    }

    fn interpret(&mut self, line: &[u8]) -> Result<Item, String> {
        if self.header.is_none() {
            let header = Header::parse(line)?;
            self.header = Some(header.clone());
            return Ok(Item::Header(header));
        }
        if self.ended {
            return Err(AFTER_END.to_owned());
        }
        match format::parse_body(line)? {
            Body::Row(table, json) => {
                let position =
                    Table::position(&table).ok_or_else(|| format!("there is no table {table:?}"))?;
                let row = Row::parse(&TABLES[position], json).map_err(|error| format::reason(&error))?;
                self.json.clear();
                row.write(&mut self.json);
                self.position.advance(position, &row, &self.json)?;
                Ok(Item::Row(row))
            }
            Body::End(end) => {
                self.position.digests.compare(&end)?;
                self.ended = true;
                Ok(Item::End)
            }
        }
    }
}

#[cfg(test)]
mod tests;
