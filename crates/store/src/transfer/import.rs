//! Fills a store with the rows of an export.
//!
//! Rows are written in the order of the export, so what an import that was cut off has left is the beginning of it. An import
//! therefore begins by comparing: as long as the target has rows, they must be the same as those that come. Nothing is
//! written to a target that holds anything else.

use super::cursor::Cursor;
use super::digest::{Digests, Running};
use super::error::TransferError;
use super::row::Row;
use super::{PAGE, TransferStore};

/// What became of the rows of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that were written.
    pub added: u64,
    /// Rows that were there already.
    pub present: u64,
}

/// Writes rows to a store.
pub struct Importer<'a> {
    store: &'a dyn TransferStore,
    /// What the target holds; `None` once all of it has been compared.
    present: Option<Cursor<'a>>,
    page: Vec<Row>,
    page_bytes: u64,
    imported: Imported,
}

impl<'a> Importer<'a> {
    /// Begins an import into a store that is empty, or goes on with one that was cut off.
    pub fn new(store: &'a dyn TransferStore) -> Self {
        let (present, page) = (Some(Cursor::new(store)), Vec::new());
        Self { store, present, page, page_bytes: 0, imported: Imported::default() }
    }

    /// Takes the next row. It is written with those that follow, or by [`Importer::finish`].
    ///
    /// # Errors
    /// When the target holds something else, and when it refuses rows.
    pub async fn take(&mut self, row: Row) -> Result<(), TransferError> {
        if self.is_present(&row).await? {
            self.imported.present += 1;
            return Ok(());
        }
        let full = self.page.len() >= PAGE.rows as usize || self.page_bytes + row.size() > PAGE.bytes;
        if full || self.page.last().is_some_and(|last| last.table() != row.table()) {
            self.write().await?;
        }
        self.page_bytes += row.size();
        self.page.push(row);
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// As [`Importer::take`].
    pub async fn finish(mut self) -> Result<Imported, TransferError> {
        if let Some(present) = &mut self.present
            && let Some(row) = present.next_row().await?
        {
            return Err(occupied(format!("{} is not in the export", name(&row))));
        }
        self.write().await?;
        Ok(self.imported)
    }

    /// The rows so far that have been written or were there already.
    pub fn progress(&self) -> Imported {
        self.imported
    }

    async fn is_present(&mut self, row: &Row) -> Result<bool, TransferError> {
        let Some(present) = &mut self.present else { return Ok(false) };
        match present.next_row().await? {
            None => {
                self.present = None;
                Ok(false)
            }
            Some(found) if found == *row => Ok(true),
            Some(found) if found.table() == row.table() && found.key() == row.key() => {
                Err(occupied(format!("{} has other values there", name(row))))
            }
            Some(found) => Err(occupied(format!("it has {} where {} was expected", name(&found), name(row)))),
        }
    }

    async fn write(&mut self) -> Result<(), TransferError> {
        let page = std::mem::take(&mut self.page);
        self.page_bytes = 0;
        let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(()) };
        let (table, first, last) = (first.table(), first.key().to_string(), last.key().to_string());
        let count = page.len() as u64;
        match self.store.import_rows(table, page).await {
            Ok(added) => {
                self.imported.added += added;
                self.imported.present += count - added;
                Ok(())
            }
            Err(source) if source.is_temporary() => Err(source.into()),
            Err(refusal) => {
                Err(TransferError::Refused { table: table.name, first, last, source: Box::new(refusal) })
            }
        }
    }
}

/// Reads everything back and compares it with what was exported. `progress` is told the rows of each page.
///
/// # Errors
/// When a table is not the same.
pub async fn verify(
    store: &dyn TransferStore,
    exported: &Digests,
    mut progress: impl FnMut(u64),
) -> Result<(), TransferError> {
    let (mut cursor, mut found, mut json) = (Cursor::new(store), Digests::default(), Vec::new());
    while let Some((table, page)) = cursor.next_page().await? {
        for row in &page {
            json.clear();
            row.write(&mut json);
            found.0[table].add(&json);
        }
        progress(page.len() as u64);
    }
    compare(&found, exported)
}

fn compare(found: &Digests, exported: &Digests) -> Result<(), TransferError> {
    let pairs = found.tables().zip(exported.0.iter().map(Running::digest));
    for ((table, found), expected) in pairs {
        if found != expected {
            let (found, expected) = (found.rows, expected.rows);
            return Err(TransferError::Unequal { table: table.name, found, expected });
        }
    }
    Ok(())
}

fn occupied(found: String) -> TransferError {
    TransferError::Occupied { found }
}

fn name(row: &Row) -> String {
    format!("row {} of table {}", row.key(), row.table().name)
}
