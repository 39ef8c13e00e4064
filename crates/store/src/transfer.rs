//! Moving all that is durable from one store to another, whatever kinds they are.
//!
//! Rows go as they are, in a fixed order of tables ([`TABLES`]) and by key within each, so that two stores that hold the same
//! give the same text. What is not moved are the nodes: they belong to where they run. Everything that one of them held is
//! taken over by the first server that starts on the target, by the same rules as after a crash.
//!
//! This module knows rows and texts. It does not know what a row means, where a text is kept, or how to keep servers out of
//! a store in the meantime: what they did would be lost.

mod catalogue;
mod cursor;
mod digest;
mod error;
mod export;
mod format;
mod import;
mod lines;
mod reader;
mod row;

use async_trait::async_trait;

#[cfg(all(test, feature = "contract"))]
pub(crate) use self::catalogue::described;
pub use self::catalogue::{Column, Kind, TABLES, Table};
pub use self::digest::{Digests, TableDigest};
pub use self::error::TransferError;
pub use self::export::Exporter;
pub use self::format::Header;
pub use self::import::{Imported, Importer, verify};
pub use self::lines::{LONGEST_LINE, Lines};
pub use self::reader::{Item, Position, Reader};
pub(crate) use self::row::COLUMN_BYTES;
pub use self::row::{Key, Row, Value};

use crate::error::Result;

/// How much of a table is read or written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize {
    /// Rows, at most.
    pub rows: u32,
    /// Bytes, at most, unless a single row has more.
    pub bytes: u64,
}

/// Few enough to keep in memory, and enough to make a commit worth its flush.
pub const PAGE: PageSize = PageSize { rows: 1000, bytes: 8 << 20 };

/// The use cases of moving.
#[async_trait]
pub trait TransferStore: Send + Sync + 'static {
    /// The rows of a table that follow the key `after`, or the first ones, in the order of their keys. None when there are no
    /// more, and at least one otherwise.
    async fn export_page(
        &self,
        table: &'static Table,
        after: Option<&Key>,
        page: PageSize,
    ) -> Result<Vec<Row>>;

    /// Adds rows, and says how many were not there yet. One that is there already must be the same:
    /// [`Error::Different`](crate::Error::Different).
    async fn import_rows(&self, table: &'static Table, rows: Vec<Row>) -> Result<u64>;

    /// How many rows a table has.
    async fn count_rows(&self, table: &'static Table) -> Result<u64>;
}
