//! Where files are: a folder of this machine, or a bucket of an S3-compatible server.
//!
//! Reads what `--storage-url` says, and promises that what it accepts can be made into requests. It does not read the
//! environment, and must not look whether the place is there: opening and probing do.

mod bucket;
mod invalid;
mod variables;

use std::fmt;
use std::path::PathBuf;

use url::Url;

pub use self::bucket::Bucket;
pub use self::invalid::InvalidStorage;
pub(crate) use self::variables::Credentials;

/// Where files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket of an S3-compatible server.
    Bucket(Bucket),
}

impl Storage {
    /// Reads a path, `file:///path` or `s3://bucket/prefix`. Where the bucket's server is and who asks is in
    /// `variables`, pairs of name and value: of the usual `AWS_*` variables, [`Bucket`] says which. Others and empty
    /// ones are passed over, so that all variables of a process may be given.
    ///
    /// # Errors
    /// When the text is none of these, and when a variable that is needed cannot be right.
    pub fn parse(
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, InvalidStorage> {
        match text.split_once("://") {
            Some(("s3", place)) => Ok(Self::Bucket(Bucket::parse(place, variables)?)),
            Some(("file", _)) => parse_file_url(text).map(Self::Folder),
            None if !text.is_empty() => Ok(Self::Folder(text.into())),
            _ => Err(InvalidStorage::Text(text.to_owned())),
        }
    }
}

/// As `--storage-url` has it, without anything secret.
impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

fn parse_file_url(text: &str) -> Result<PathBuf, InvalidStorage> {
    let path = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
    // A URL without a path would be the root of everything.
    path.filter(|path| path.parent().is_some()).ok_or_else(|| InvalidStorage::Text(text.to_owned()))
}

#[cfg(test)]
mod tests;
