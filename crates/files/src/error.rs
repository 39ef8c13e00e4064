//! What can go wrong with stored files, said for the person who has to put it right.
//!
//! The variants about one file do not show which object storage is behind them.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use cogwire_core::id::FileId;
use cogwire_core::recipe::Digest;

use crate::unusable::Unusable;

/// The failure underneath: an operating system's or an object storage's.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Storing, reading or deleting a file failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder for files cannot be made, or cannot be written to.
    #[error("cannot use {} for files: make it a folder that this user may write to, or choose another", path.display())]
    Folder {
        /// The folder that was asked for.
        path: PathBuf,
        /// Why it is not usable.
        source: Cause,
    },
    /// The bucket for files cannot be used.
    #[error(transparent)]
    Unusable(Unusable),
    /// The public URL cannot be the beginning of a link.
    #[error("{url:?} cannot be the public URL: expected something like https://cogwire.example.com")]
    PublicUrl {
        /// The text that was given.
        url: String,
        /// What is wrong with it, when it is not a URL at all.
        source: Option<url::ParseError>,
    },
    /// The file that was to be stored cannot be read.
    #[error("cannot read {} to store it as file {id}: it must be a readable, regular file", path.display())]
    Content {
        /// The file that it was to become.
        id: FileId,
        /// The file that was to be stored; empty when the content was in memory.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// There is no space left. Nobody can read half of the file; storing it again later is safe.
    #[error(
        "no space left to store file {id} ({name:?}): free disk space or shorten the retention, then try again"
    )]
    Full {
        /// The file that was to be stored.
        id: FileId,
        /// Its name.
        name: String,
        /// What the storage said.
        source: Cause,
    },
    /// The storage refused to write. Nobody can read half of the file; storing it again is safe. When only the answer of
    /// a server was lost, all of it is there.
    #[error("cannot store file {id} ({name:?}): check that the storage is there and may be written to")]
    Write {
        /// The file that was to be stored.
        id: FileId,
        /// Its name.
        name: String,
        /// What the storage said.
        source: Cause,
    },
    /// A stored file cannot be read.
    #[error("cannot read file {id} ({name:?}): check that the storage is there and may be read")]
    Read {
        /// The file that was to be read.
        id: FileId,
        /// Its name.
        name: String,
        /// What the storage said.
        source: Cause,
    },
    /// A stored file cannot be deleted. Deleting it again is safe.
    #[error("cannot delete file {id}: check that the storage is there and may be written to")]
    Delete {
        /// The file that was to be deleted.
        id: FileId,
        /// What the storage said.
        source: Cause,
    },
    /// A part of a model cannot be stored, read or deleted.
    #[error(
        "cannot {what} the part {digest} of a model: check that the storage is there, has space, and may be used"
    )]
    Part {
        /// What was tried.
        what: &'static str,
        /// Which part.
        digest: Digest,
        /// What the storage said.
        source: Cause,
    },
    /// A file could not be copied to another storage. Copying again goes on where it stopped.
    #[error(
        "cannot copy {file} from {from} to {to}: copy again when the cause is removed, what is there is not copied twice"
    )]
    Copy {
        /// Its place in both storages.
        file: String,
        /// Where it is.
        from: String,
        /// Where it should be.
        to: String,
        /// What a storage said.
        source: Cause,
    },
    /// Files were added while others were copied, or did not arrive.
    #[error(
        "{files} files, such as {one}, are not in {to} as they should be: copy again, best while no server runs"
    )]
    Incomplete {
        /// How many.
        files: u64,
        /// The place of one of them.
        one: String,
        /// Where they should be.
        to: String,
    },
}

impl Error {
    /// Whether storage is used up, so that the caller did nothing wrong and may try again later.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Part { source, .. } => is_storage_full(source.as_ref()),
            _ => false,
        }
    }

    /// Whether the storage may be well again without anybody doing anything, so that the caller may try again later.
    pub fn is_temporary(&self) -> bool {
        causes(self).any(|error| error.downcast_ref().is_some_and(Unusable::is_temporary))
            || matches!(self, Self::Unusable(reason) if reason.is_temporary())
    }

    pub(crate) fn write(id: FileId, name: &str, source: impl Into<Cause>) -> Self {
        let (name, source) = (name.to_owned(), source.into());
        if is_storage_full(source.as_ref()) {
            Self::Full { id, name, source }
        } else {
            Self::Write { id, name, source }
        }
    }

    pub(crate) fn read(id: FileId, name: &str, source: impl Into<Cause>) -> Self {
        Self::Read { id, name: name.to_owned(), source: source.into() }
    }
}

/// Looks for the operating system's word on it, or the server's, which is wrapped in other errors.
fn is_storage_full(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|error| {
        let full = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        };
        error.downcast_ref().is_some_and(full) || matches!(error.downcast_ref(), Some(Unusable::Full { .. }))
    })
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use cogwire_core::time::Timestamp;

    use super::*;

    fn wrapped(kind: io::ErrorKind) -> Error {
        let store = object_store::Error::Generic { store: "test", source: Box::new(io::Error::from(kind)) };
        Error::write(FileId::new(Timestamp::from_micros(0), 1), "cat.png", io::Error::other(store))
    }

    #[test]
    fn a_full_disk_is_told_apart() {
        assert!(wrapped(io::ErrorKind::StorageFull).is_full());
        assert!(wrapped(io::ErrorKind::QuotaExceeded).is_full());
        assert!(!wrapped(io::ErrorKind::PermissionDenied).is_full());
    }

    #[test]
    fn the_text_names_the_file_and_leaves_the_cause_to_the_source() {
        let error = wrapped(io::ErrorKind::StorageFull);
        let text = error.to_string();
        assert!(text.contains("cat.png") && text.contains("00000000000000000000000001"), "{text}");
        assert!(error.source().is_some());
    }
}
