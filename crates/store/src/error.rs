//! Why a use case did not happen.

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

/// Nothing of the use case has happened; each variant says whether trying again can help.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The queue of writes is full. Try again shortly.
    #[error("the database is busy: its queue of writes is full")]
    Busy,
    /// The disk is full, or a read or write failed. Work goes on once space is free.
    #[error("the database cannot write: {0}; free space on its disk or check its permissions")]
    Unavailable(String),
    /// A stored row is not what it should be. It names the place; trying again does not help.
    #[error("the row {row} of table {table} does not decode: column {column}: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database was made by a newer version of Cogwire.
    #[error(
        "the database has schema version {found}, and this cogwire knows versions up to {known}: run a newer cogwire, or restore the backup that was made before the upgrade"
    )]
    NewerSchema {
        /// The version of the database.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// Another server has the data directory.
    #[error("another cogwire server uses {0}: stop it, or give this one its own --data-dir")]
    InUse(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// Anything else that the database says.
    #[error("the database failed: {0}")]
    Backend(String),
}

impl Error {
    /// Whether trying again later can help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable(_) | Self::Closed)
    }
}
