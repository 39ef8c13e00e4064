//! Writes a store as text, piece by piece.

use super::catalogue::TABLES;
use super::cursor::Cursor;
use super::error::TransferError;
use super::format::{self, Header};
use super::lines::LONGEST_LINE;
use super::reader::Position;
use super::row::Row;
use super::{PageSize, TransferStore};
use crate::error::Error;

/// Makes the text of an export, each piece of it whole lines.
pub struct Exporter<'a> {
    cursor: Cursor<'a>,
    position: Position,
    next: Next,
}

/// What comes next.
enum Next {
    Header(Header),
    Rows,
    Nothing,
}

impl<'a> Exporter<'a> {
    /// Begins an export.
    pub fn new(store: &'a dyn TransferStore, header: Header) -> Self {
        Self { cursor: Cursor::new(store), position: Position::default(), next: Next::Header(header) }
    }

    /// Goes on with an export that was cut off after `position`.
    ///
    /// # Errors
    /// When the store is not what was exported so far. A sample is looked at, which everything that a server does changes:
    /// the last row of each table that is there, and that nothing has been added to the tables that are complete.
    pub async fn resume(store: &'a dyn TransferStore, position: Position) -> Result<Self, TransferError> {
        for table in 0..=position.table {
            check_last(store, &position, table).await?;
        }
        for table in 0..position.table {
            check_complete(store, &position, table).await?;
        }
        let after = position.marks[position.table].last.clone();
        Ok(Self { cursor: Cursor::after(store, position.table, after), position, next: Next::Rows })
    }

    /// The next piece of the text; `None` after the last one.
    ///
    /// # Errors
    /// When the store cannot be read. The pieces so far are the beginning of an export, which can be resumed.
    pub async fn next_piece(&mut self) -> Result<Option<Vec<u8>>, TransferError> {
        match std::mem::replace(&mut self.next, Next::Rows) {
            Next::Header(header) => Ok(Some(header.line())),
            Next::Rows => self.rows_or_end().await.map(Some),
            Next::Nothing => {
                self.next = Next::Nothing;
                Ok(None)
            }
        }
    }

    /// The rows so far, those of an earlier part included.
    pub fn rows(&self) -> u64 {
        self.position.digests.rows()
    }

    async fn rows_or_end(&mut self) -> Result<Vec<u8>, TransferError> {
        let Some((table, page)) = self.cursor.next_page().await? else {
            self.next = Next::Nothing;
            return Ok(format::end_line(&self.position.digests));
        };
        let (mut text, mut json) = (Vec::new(), Vec::new());
        for row in page {
            let begin = text.len();
            format::write_row(&mut text, &row, &mut json);
            if text.len() - begin > LONGEST_LINE {
                return Err(corrupt(&row, "it is longer than a line of an export may be").into());
            }
            self.position.advance(table, &row, &json).map_err(|reason| corrupt(&row, &reason))?;
        }
        Ok(text)
    }
}

async fn check_last(
    store: &dyn TransferStore,
    position: &Position,
    table: usize,
) -> Result<(), TransferError> {
    let mark = &position.marks[table];
    let Some(last) = &mark.last else { return Ok(()) };
    let name = TABLES[table].name;
    let (mut digest, mut json) = (mark.digest_before.clone(), Vec::new());
    if let Some(row) = first_after(store, table, mark.before.as_ref()).await? {
        row.write(&mut json);
    }
    digest.add(&json);
    if digest.digest() == position.digests.0[table].digest() {
        return Ok(());
    }
    Err(TransferError::Changed(format!("the row {last} of table {name} is not as it was exported")))
}

async fn check_complete(
    store: &dyn TransferStore,
    position: &Position,
    table: usize,
) -> Result<(), TransferError> {
    match first_after(store, table, position.marks[table].last.as_ref()).await? {
        None => Ok(()),
        Some(row) => {
            let (name, key) = (row.table().name, row.key());
            Err(TransferError::Changed(format!("the row {key} of table {name} was not there")))
        }
    }
}

async fn first_after(
    store: &dyn TransferStore,
    table: usize,
    after: Option<&super::row::Key>,
) -> Result<Option<Row>, Error> {
    let one = PageSize { rows: 1, bytes: 0 };
    Ok(store.export_page(&TABLES[table], after, one).await?.pop())
}

/// A store gives the rows of a table in order, and none that is too long; this is for one that does not.
fn corrupt(row: &Row, reason: &str) -> Error {
    let table = row.table();
    let column = table.columns[0].name;
    Error::Corrupt { table: table.name, column, row: row.key().to_string(), reason: reason.to_owned() }
}
