//! Why something was not moved, said for the person who moves it.

use std::io;

use crate::error::Error;

/// Why something was not moved. What has been written so far stays, and doing the same again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// One of the stores.
    #[error(transparent)]
    Store(#[from] Error),
    /// The text cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// A line of the text is not what it should be.
    #[error("line {number}: {reason}")]
    Line {
        /// Which one, counted from 1.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The text ends before its last line.
    #[error("it ends after line {lines}, before its last line: it was cut off")]
    CutOff {
        /// The whole lines that it has.
        lines: u64,
    },
    /// Rows that a store refuses.
    #[error("rows of table {table} from {first} to {last} were refused")]
    Refused {
        /// Their table.
        table: &'static str,
        /// The key of the first one.
        first: String,
        /// The key of the last one.
        last: String,
        /// What the store says.
        source: Box<Error>,
    },
    /// The target holds something that this text did not bring.
    #[error("the target is not empty, and what it holds is not the beginning of this export: {found}")]
    Occupied {
        /// The first difference.
        found: String,
    },
    /// The store is not what was exported so far.
    #[error("the store has changed since: {0}")]
    Changed(String),
    /// What was read back is not what was written.
    #[error("table {table} holds {found} rows after the import and {expected} were exported, or they differ")]
    Unequal {
        /// The table.
        table: &'static str,
        /// Rows that are there.
        found: u64,
        /// Rows that should be there.
        expected: u64,
    },
}
