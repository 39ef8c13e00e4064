//! A store's rows, one after the other through all tables.

use std::collections::VecDeque;

use super::catalogue::TABLES;
use super::row::{Key, Row};
use super::{PAGE, TransferStore};
use crate::error::Result;

/// Reads a store page by page.
pub(super) struct Cursor<'a> {
    store: &'a dyn TransferStore,
    table: usize,
    after: Option<Key>,
    page: VecDeque<Row>,
}

impl<'a> Cursor<'a> {
    /// Begins with the first row of the first table.
    pub(super) fn new(store: &'a dyn TransferStore) -> Self {
        Self::after(store, 0, None)
    }

    /// Begins after this key of the table at `table`.
    pub(super) fn after(store: &'a dyn TransferStore, table: usize, after: Option<Key>) -> Self {
        Self { store, table, after, page: VecDeque::new() }
    }

    /// The next rows, all of one table, and the position of that table; `None` after the last one.
    pub(super) async fn next_page(&mut self) -> Result<Option<(usize, Vec<Row>)>> {
        while let Some(table) = TABLES.get(self.table) {
            let page = self.store.export_page(table, self.after.as_ref(), PAGE).await?;
            if let Some(last) = page.last() {
                self.after = Some(last.key());
                return Ok(Some((self.table, page)));
            }
            self.table += 1;
            self.after = None;
        }
        Ok(None)
    }

    /// The next row; `None` after the last one.
    pub(super) async fn next_row(&mut self) -> Result<Option<Row>> {
        if self.page.is_empty()
            && let Some((_, page)) = self.next_page().await?
        {
            self.page = page.into();
        }
        Ok(self.page.pop_front())
    }
}
