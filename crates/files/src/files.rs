//! Stores, finds and deletes files.

use std::future::ready;
use std::sync::Arc;

use cogwire_core::id::FileId;
use cogwire_core::link::LinkKey;
use cogwire_core::time::Timestamp;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use crate::content::Content;
use crate::download::Download;
use crate::error::{Cause, Error};
use crate::link::{LinkError, Links};
use crate::opened::Opened;
use crate::storage::Storage;
use crate::unusable::Step;
use crate::upload::{self, StoredFile};
use crate::{location, name};

/// All stored files of a server. Clones share them.
#[derive(Debug, Clone)]
pub struct Files {
    opened: Arc<Opened>,
    links: Arc<Links>,
}

impl Files {
    /// Opens the files in `storage`, with links below `public_url` that are signed with `key`. A folder that is missing
    /// is made (for this user only, on Unix). Nothing is written and no server is asked: see [`Files::probe`].
    ///
    /// A bucket needs a process-wide provider for rustls.
    ///
    /// # Errors
    /// When a folder cannot be made or a client not be set up, and when `public_url` is not an http URL.
    pub fn open(storage: &Storage, public_url: &str, key: LinkKey) -> Result<Self, Error> {
        let links = Arc::new(Links::new(public_url, key)?);
        Ok(Self { opened: Arc::new(Opened::open(storage)?), links })
    }

    /// The same files, with links below another URL, which are as good as the others: they are signed with the same key.
    ///
    /// # Errors
    /// When `base_url` is not an http URL.
    pub fn below(&self, base_url: &str) -> Result<Self, Error> {
        Ok(Self { opened: Arc::clone(&self.opened), links: Arc::new(self.links.below(base_url)?) })
    }

    /// Stores `content` under `id`, with what is left of `name` after sanitising it, and returns when a crash cannot
    /// take it back: an event that names the file may be committed now. Storing the same id and name again replaces the
    /// bytes at once; a reader sees the old ones or the new ones.
    ///
    /// # Errors
    /// When `content` cannot be read, and when the storage is full or refuses. Then nobody can read half of the file; only
    /// when the answer of a server was lost, all of it may be there.
    pub async fn put(&self, id: FileId, name: &str, content: Content) -> Result<StoredFile, Error> {
        upload::put(&self.opened, id, name::sanitise(name), content).await
    }

    /// Looks for a file; `None` when there is none. Its bytes are fetched when they are asked for.
    ///
    /// # Errors
    /// When the storage cannot say.
    pub async fn download(&self, id: FileId, name: &str) -> Result<Option<Download>, Error> {
        let name = name::sanitise(name);
        match self.opened.store.head(&location::file(id, &name)).await {
            Ok(meta) => Ok(Some(Download::new(Arc::clone(&self.opened), meta, id, name))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(Error::read(id, &name, self.opened.cause(Step::Read, source))),
        }
    }

    /// Deletes everything of `id`. Deleting what is not there is a success.
    ///
    /// # Errors
    /// When something of it may still be there.
    pub async fn delete(&self, id: FileId) -> Result<(), Error> {
        let listed = self.opened.store.list(Some(&location::folder(id))).map_ok(|meta| meta.location);
        let deleted = self.opened.store.delete_stream(listed.boxed()).filter(|outcome| {
            let gone_already = matches!(outcome, Err(object_store::Error::NotFound { .. }));
            ready(!gone_already)
        });
        let outcome = deleted.try_for_each(|_| ready(Ok(()))).await;
        outcome.map_err(|source| deletion_failed(id, self.opened.cause(Step::Delete, source)))?;
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

    pub(crate) fn public_url(&self) -> &Url {
        self.links.public_url()
    }

    pub(crate) fn link_key(&self) -> &LinkKey {
        self.links.key()
    }

    pub(crate) fn opened(&self) -> &Opened {
        &self.opened
    }

    pub(crate) fn shared(&self) -> Arc<Opened> {
        Arc::clone(&self.opened)
    }

    /// A crash can leave half an upload in a folder, which the object store does not list. In a bucket it is no object,
    /// and only a lifecycle rule finds it.
    pub(crate) async fn delete_leftovers(&self, id: FileId) -> Result<(), Error> {
        let Storage::Folder(root) = &self.opened.storage else { return Ok(()) };
        match tokio::fs::remove_dir_all(root.join(id.as_str())).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(deletion_failed(id, error)),
            _ => Ok(()),
        }
    }
}

fn deletion_failed(id: FileId, source: impl Into<Cause>) -> Error {
    Error::Delete { id, source: source.into() }
}
