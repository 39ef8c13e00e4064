//! What goes wrong inside this implementation, before a caller hears of it as an [`Error`].
//!
//! The difference matters to whoever could try again: after a conflict nothing has happened, after a lost connection
//! nobody knows.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use tokio_postgres::error::{DbError, SqlState};

use crate::error::Error;

/// The result of work on a connection.
pub(super) type Outcome<T> = Result<T, Failure>;

/// Why work on a connection failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// PostgreSQL says so, or the way to it does.
    Postgres(tokio_postgres::Error),
    /// There was no answer for so long that there will be none.
    Silence(Duration),
    /// The store says so.
    Store(Error),
}

impl Failure {
    /// Whether the connection is of no more use.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Postgres(error) => match error.as_db_error() {
                Some(said) => ends_connection(said.code()),
                None => {
                    error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>)
                }
            },
            Self::Silence(_) => true,
            Self::Store(_) => false,
        }
    }

    /// Whether another transaction was in the way, so that the same again can succeed.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED))
    }

    /// Whether a row with this key is there already.
    pub(super) fn is_duplicate(&self) -> bool {
        self.code() == Some(&SqlState::UNIQUE_VIOLATION)
    }

    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            Self::Silence(_) | Self::Store(_) => None,
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let is_lost = failure.is_lost();
        match failure {
            Failure::Store(error) => error,
            Failure::Silence(time) => Self::Unavailable(format!("PostgreSQL did not answer for {time:?}")),
            Failure::Postgres(error) if is_lost => {
                Self::Unavailable(format!("the connection to PostgreSQL was lost ({})", text(&error)))
            }
            Failure::Postgres(error) => match error.as_db_error() {
                Some(said) => of_refusal(said),
                None => Self::Backend(text(&error)),
            },
        }
    }
}

/// What PostgreSQL's refusal means to a caller.
fn of_refusal(said: &DbError) -> Error {
    match said.code() {
        &SqlState::LOCK_NOT_AVAILABLE
        | &SqlState::T_R_SERIALIZATION_FAILURE
        | &SqlState::T_R_DEADLOCK_DETECTED => Error::Busy,
        &SqlState::QUERY_CANCELED => Error::Unavailable(
            "a statement took too long and was stopped; look at the load of PostgreSQL".to_owned(),
        ),
        &SqlState::TOO_MANY_CONNECTIONS => Error::Unavailable(format!(
            "PostgreSQL has no connection left ({}); raise its max_connections or lower --database-connections",
            said.message()
        )),
        &SqlState::DISK_FULL => {
            Error::Unavailable(format!("{}; free space on PostgreSQL's disk", said.message()))
        }
        &SqlState::READ_ONLY_SQL_TRANSACTION => Error::Unavailable(format!(
            "{}; connect to the primary, or wait until this server is one",
            said.message()
        )),
        &SqlState::CHARACTER_NOT_IN_REPERTOIRE => {
            Error::Backend("a text holds the character NUL, which PostgreSQL cannot store".to_owned())
        }
        code if code.code().starts_with("53") => Error::Unavailable(said.message().to_owned()),
        code => Error::Backend(format!("{} (SQLSTATE {})", said.message(), code.code())),
    }
}

/// Refusals after which PostgreSQL closes the connection. One of a statement that only came too early, while the server
/// starts, is among them.
fn ends_connection(code: &SqlState) -> bool {
    let code = code.code();
    code.starts_with("08") || code.starts_with("57P") || code == "25P03"
}

/// Why a connection cannot be opened, after others could.
pub(super) fn no_connection(error: &tokio_postgres::Error) -> Error {
    match error.as_db_error().filter(|said| said.code() == &SqlState::TOO_MANY_CONNECTIONS) {
        Some(said) => of_refusal(said),
        None => Error::Unavailable(format!("no connection to PostgreSQL can be opened ({})", text(error))),
    }
}

/// What PostgreSQL says, or else what the driver does and why.
pub(super) fn text(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_owned();
    }
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
