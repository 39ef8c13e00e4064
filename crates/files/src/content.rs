//! What is stored: bytes in memory, or a file on this machine.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cogwire_core::recipe::Digest;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;

use crate::data_url;
use crate::name::content_type;
use crate::pieces::{read_pieces, split_pieces};

/// The bytes of a file that is to be stored.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A regular file on this machine, which is read piece by piece and left alone.
    Path(PathBuf),
}

impl Content {
    /// Its length in bytes.
    ///
    /// # Errors
    /// When the file cannot be looked at.
    pub async fn size(&self) -> io::Result<u64> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::Path(path) => Ok(tokio::fs::metadata(path).await?.len()),
        }
    }

    /// The SHA-256 of its bytes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn digest(&self) -> io::Result<Digest> {
        let mut hash = Sha256::new();
        let mut pieces = self.clone().into_pieces().await?;
        while let Some(piece) = pieces.try_next().await? {
            hash.update(piece);
        }
        Ok(Digest::from_sha256(hash.finalize().into()))
    }

    /// The content as a data URL, with the content type that `name` stands for; `None` when it is longer than `most` bytes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn data_url(&self, name: &str, most: u64) -> io::Result<Option<String>> {
        if self.size().await? > most {
            return Ok(None);
        }
        let pieces: Vec<Bytes> = self.clone().into_pieces().await?.try_collect().await?;
        Ok(Some(data_url::encode(&content_type(name), &pieces.concat())))
    }

    /// The file that is read; empty for bytes in memory.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Bytes(_) => Path::new(""),
            Self::Path(path) => path,
        }
    }

    pub(crate) async fn into_pieces(self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        match self {
            Self::Bytes(bytes) => Ok(split_pieces(bytes).boxed()),
            Self::Path(path) => Ok(read_pieces(open_regular_file(&path).await?, u64::MAX).boxed()),
        }
    }
}

/// Opens a file, but not a pipe or a device: a model chooses the path, and those may block or never end.
async fn open_regular_file(path: &Path) -> io::Result<File> {
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(path).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn short_content_fits_into_a_data_url_and_long_content_does_not() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(&file, b"hi").expect("written");
        let in_memory = Content::Bytes(Bytes::from_static(b"hi"));
        for content in [in_memory, Content::Path(file.path().to_owned())] {
            assert_eq!(content.size().await.expect("readable"), 2);
            assert_eq!(content.digest().await.expect("readable"), Digest::of(b"hi"));
            let url = content.data_url("a.png", 2).await.expect("readable");
            assert_eq!(url.as_deref(), Some("data:image/png;base64,aGk="));
            assert_eq!(content.data_url("a.png", 1).await.expect("readable"), None);
        }
    }
}
