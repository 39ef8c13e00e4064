//! Why a use case did not happen.

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a use case did not happen. Nothing of it has, whatever the variant, but for [`Error::Uncertain`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Too much waits for the database already. Try again shortly.
    #[error("the database is busy: more waits for it than it may")]
    Busy,
    /// The database is away, or it cannot read or write. Work goes on once it can; the text says what to do.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The answer was lost on its way. Look whether it happened before trying again.
    #[error(
        "the connection to the database was lost before it answered; the change may or may not have been made: {0}"
    )]
    Uncertain(String),
    /// The store cannot be opened as it is set up. A whole sentence, which names the setting and says what to do.
    #[error("{0}")]
    Setup(String),
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
    /// A row to add is there already, and is not the same.
    #[error("the row {row} of table {table} is there already, with other values")]
    Different {
        /// The table.
        table: &'static str,
        /// The row's key.
        row: String,
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
        matches!(self, Self::Busy | Self::Unavailable(_) | Self::Uncertain(_) | Self::Closed)
    }

    /// One word for it, as metrics have it.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Unavailable(_) => "unavailable",
            Self::Uncertain(_) => "uncertain",
            Self::Corrupt { .. } | Self::Different { .. } => "corrupt",
            Self::Setup(_) | Self::NewerSchema { .. } | Self::InUse(_) => "setup",
            Self::Closed => "closed",
            Self::Backend(_) => "refused",
        }
    }
}
