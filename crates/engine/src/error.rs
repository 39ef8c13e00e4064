//! Why the engine did not do what it was asked.

use cogwire_store as store;

/// Nothing has happened; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused or failed.
    #[error("the store did not take it")]
    Store(#[source] store::Error),
    /// A file could not be stored or read.
    #[error("a file could not be kept")]
    Files(#[source] cogwire_files::Error),
    /// A file that a model produced could not be read.
    #[error("a file that the model produced cannot be read")]
    Produced(#[source] std::io::Error),
    /// An input names an uploaded file that was deleted after the prediction was created.
    #[error("the uploaded file {0} does not exist any more: it was deleted before the model could read it")]
    NoUpload(String),
    /// The server is stopping.
    #[error("the server is stopping: try again in a few seconds")]
    Stopping,
}

/// An error with its causes, for a user who sees one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |cause| (*cause).source()) {
        let said = cause.to_string();
        // An error that passes its cause through has said it already.
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<cogwire_files::Error> for Error {
    fn from(error: cogwire_files::Error) -> Self {
        Self::Files(error)
    }
}
