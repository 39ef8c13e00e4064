//! Stores, finds and deletes files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cogwire_core::id::FileId;
use cogwire_core::link::LinkKey;
use cogwire_core::time::Timestamp;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::content::Content;
use crate::download::Download;
use crate::error::{Cause, Error};
use crate::link::{LinkError, Links};
use crate::upload::{self, StoredFile};
use crate::{folder, location, name};

/// All stored files of a server. Clones share them.
#[derive(Debug, Clone)]
pub struct Files {
    store: Arc<dyn ObjectStore>,
    /// The folder of the local backend, where a crash can leave half an upload that the object store does not list.
    local_root: PathBuf,
    links: Arc<Links>,
}

impl Files {
    /// Opens the files in the folder `root`, which is made when it is missing (for this user only, on Unix), with links
    /// below `public_url` that are signed with `key`.
    ///
    /// # Errors
    /// When the folder cannot be made or written to, and when `public_url` is not an http URL.
    pub fn open(root: &Path, public_url: &str, key: LinkKey) -> Result<Self, Error> {
        let links = Arc::new(Links::new(public_url, key)?);
        let unusable = |source: Cause| Error::Folder { path: root.to_owned(), source };
        folder::prepare(root).map_err(|source| unusable(source.into()))?;
        let store = LocalFileSystem::new_with_prefix(root).map_err(|source| unusable(source.into()))?;
        Ok(Self { store: Arc::new(store.with_fsync(true)), local_root: root.to_owned(), links })
    }

    /// Stores `content` under `id`, with what is left of `name` after sanitising it, and returns when a crash cannot
    /// take it back: an event that names the file may be committed now. Storing the same id and name again replaces the
    /// bytes at once; a reader sees the old ones or the new ones.
    ///
    /// # Errors
    /// When `content` cannot be read, and when the storage is full or refuses; then no part of the file can be read.
    pub async fn put(&self, id: FileId, name: &str, content: Content) -> Result<StoredFile, Error> {
        upload::put(self.store.as_ref(), id, name::sanitise(name), content).await
    }

    /// Looks for a file; `None` when there is none. Its bytes are fetched when they are asked for.
    ///
    /// # Errors
    /// When the storage cannot say.
    pub async fn download(&self, id: FileId, name: &str) -> Result<Option<Download>, Error> {
        let name = name::sanitise(name);
        match self.store.head(&location::file(id, &name)).await {
            Ok(meta) => Ok(Some(Download::new(Arc::clone(&self.store), meta, id, name))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(Error::read(id, &name, source)),
        }
    }

    /// Deletes everything of `id`. Deleting what is not there is a success.
    ///
    /// # Errors
    /// When something of it may still be there.
    pub async fn delete(&self, id: FileId) -> Result<(), Error> {
        let listed = self.store.list(Some(&location::folder(id))).map_ok(|meta| meta.location).boxed();
        let deleted = self.store.delete_stream(listed).filter(|outcome| {
            let gone_already = matches!(outcome, Err(object_store::Error::NotFound { .. }));
            std::future::ready(!gone_already)
        });
        deleted
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
            .map_err(|source| deletion_failed(id, source))?;
        self.delete_leftovers(id).await
    }

    /// A URL from which anybody may download the file until `expires_at` (whole seconds), or for ever.
    /// `{public_url}/download/{id}/{name}?expires={unix seconds|never}&signature={mac}`
    pub fn url(&self, id: FileId, name: &str, expires_at: Option<Timestamp>) -> String {
        self.links.url(id, name, expires_at)
    }

    /// Checks the parts of a URL that somebody came with, decoded, before the file is looked for.
    ///
    /// # Errors
    /// [`LinkError::Invalid`] when any part was changed, [`LinkError::Expired`] when none was but it is too late.
    pub fn check(
        &self,
        id: FileId,
        name: &str,
        expires: &str,
        signature: &str,
        now: Timestamp,
    ) -> Result<(), LinkError> {
        self.links.check(id, name, expires, signature, now)
    }

    async fn delete_leftovers(&self, id: FileId) -> Result<(), Error> {
        match tokio::fs::remove_dir_all(self.local_root.join(id.as_str())).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(deletion_failed(id, error)),
            _ => Ok(()),
        }
    }
}

fn deletion_failed(id: FileId, source: impl Into<Cause>) -> Error {
    Error::Delete { id, source: source.into() }
}

#[cfg(test)]
mod tests;
