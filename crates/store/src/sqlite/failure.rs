//! What goes wrong inside this implementation, before a caller hears of it as an [`Error`].
//!
//! The difference matters to the writer: a statement that fails undoes its own use case, storage that fails undoes the
//! whole batch.

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};

use crate::error::Error;

/// The result of work on a connection.
pub(super) type Outcome<T> = Result<T, Failure>;

/// Why work on a connection failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// The store says so.
    Store(Error),
}

impl Failure {
    /// Whether storage itself failed, so that nothing that was written together with it can be trusted to be there.
    pub(super) fn is_of_storage(&self) -> bool {
        let code = self.sqlite().and_then(rusqlite::Error::sqlite_error_code);
        matches!(
            code,
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
            )
        )
    }

    /// Whether the operating system could not flush. Afterwards nobody knows what is on the disk.
    pub(super) fn is_failed_flush(&self) -> bool {
        let code = self.sqlite().and_then(rusqlite::Error::sqlite_extended_error_code);
        matches!(code, Some(SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC))
    }

    /// Whether another process has the database locked.
    pub(super) fn is_locked(&self) -> bool {
        self.sqlite().and_then(rusqlite::Error::sqlite_error_code) == Some(ErrorCode::DatabaseBusy)
    }

    fn sqlite(&self) -> Option<&rusqlite::Error> {
        match self {
            Self::Sqlite(error) => Some(error),
            Self::Store(_) => None,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (is_of_storage, is_locked) = (failure.is_of_storage(), failure.is_locked());
        match failure {
            Failure::Store(error) => error,
            Failure::Sqlite(error) if is_of_storage => Self::Unavailable(with_advice(&error)),
            Failure::Sqlite(error) if is_locked => Self::Unavailable(error.to_string()),
            Failure::Sqlite(error) => Self::Backend(error.to_string()),
        }
    }
}

/// A failure of storage, and what to do.
pub(super) fn with_advice(failure: &dyn std::fmt::Display) -> String {
    format!("{failure}; free space on its disk or check its permissions")
}
