//! What versions of models are made of: packages and weights, by their digest.
//!
//! They lie beside the files, in `{root}/parts/{digest}`, and nothing but their content gives them their name: storing one
//! twice is the same as once. Who needs them is for the caller to know.

use cogwire_core::recipe::Digest;
use futures_util::StreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::content::Content;
use crate::download::{Download, Pieces};
use crate::error::{Cause, Error};
use crate::files::Files;
use crate::unusable::Step;
use crate::upload::{Failure, write};

/// The folder of all parts. No file lies there, because it is no file's id.
const FOLDER: &str = "parts";

impl Files {
    /// Stores a part, unless it is there already, and returns when a crash cannot take it back.
    ///
    /// # Errors
    /// When `content` cannot be read or has another digest, and when the storage is full or refuses. Then nobody can read
    /// half of it.
    pub async fn put_part(&self, digest: &Digest, content: Content) -> Result<(), Error> {
        if self.has_part(digest).await? {
            return Ok(());
        }
        let location = location(digest);
        let written = write(self.opened().store.as_ref(), &location, content).await;
        let (_, sha256) = written.map_err(|failure| match failure {
            Failure::Content(source) => failed("store", digest, source),
            Failure::Storage(source) => failed("store", digest, self.opened().cause(Step::Write, source)),
        })?;
        if sha256 == digest.as_str() {
            return Ok(());
        }
        self.delete_part(digest).await?;
        Err(failed("store", digest, "its bytes have another digest: it was changed while it was read"))
    }

    /// The bytes of a part; `None` when it is not there.
    ///
    /// # Errors
    /// When the storage cannot say. An error in the middle is the last of the pieces.
    pub async fn part(&self, digest: &Digest) -> Result<Option<Pieces>, Error> {
        match self.opened().store.head(&location(digest)).await {
            Ok(meta) => {
                let digest = digest.clone();
                let pieces = Download::whole(self.shared(), meta)
                    .map(move |piece| piece.map_err(|source| failed("read", &digest, source)));
                Ok(Some(pieces.boxed()))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed("read", digest, self.opened().cause(Step::Read, source))),
        }
    }

    /// Deletes a part. Deleting what is not there is a success.
    ///
    /// # Errors
    /// When it may still be there.
    pub async fn delete_part(&self, digest: &Digest) -> Result<(), Error> {
        match self.opened().store.delete(&location(digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(failed("delete", digest, self.opened().cause(Step::Delete, source))),
        }
    }

    async fn has_part(&self, digest: &Digest) -> Result<bool, Error> {
        match self.opened().store.head(&location(digest)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(failed("store", digest, self.opened().cause(Step::Write, source))),
        }
    }
}

fn location(digest: &Digest) -> Path {
    Path::from(FOLDER).join(digest.as_str())
}

fn failed(what: &'static str, digest: &Digest, source: impl Into<Cause>) -> Error {
    Error::Part { what, digest: digest.clone(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cogwire_core::link::LinkKey;
    use futures_util::TryStreamExt;

    use super::*;
    use crate::Storage;

    fn files(folder: &tempfile::TempDir) -> Files {
        let storage = Storage::Folder(folder.path().to_owned());
        Files::open(&storage, "http://localhost", LinkKey::new([7; 32])).expect("a folder")
    }

    async fn read(files: &Files, digest: &Digest) -> Option<Vec<u8>> {
        let pieces = files.part(digest).await.expect("readable")?;
        Some(pieces.try_collect::<Vec<Bytes>>().await.expect("whole").concat())
    }

    #[tokio::test]
    async fn a_part_is_stored_read_and_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(&folder);
        let bytes = Bytes::from(vec![7; 100_000]);
        let digest = Digest::of(&bytes);
        assert_eq!(read(&files, &digest).await, None);
        for _ in 0..2 {
            files.put_part(&digest, Content::Bytes(bytes.clone())).await.expect("stored");
        }
        assert_eq!(read(&files, &digest).await.as_deref(), Some(&bytes[..]));
        for _ in 0..2 {
            files.delete_part(&digest).await.expect("deleted");
        }
        assert_eq!(read(&files, &digest).await, None);
    }

    #[tokio::test]
    async fn other_bytes_than_the_digest_says_are_not_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(&folder);
        let digest = Digest::of(b"expected");
        let refused = files.put_part(&digest, Content::Bytes(Bytes::from_static(b"other"))).await;
        assert!(refused.is_err());
        assert_eq!(read(&files, &digest).await, None);
    }
}
