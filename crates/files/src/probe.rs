//! Finds out whether the storage works: thoroughly at the start, cheaply ever after.

use std::time::Duration;

use cogwire_core::id::FileId;
use futures_util::{TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::Error;
use crate::files::Files;
use crate::location;
use crate::opened::Opened;
use crate::storage::Storage;
use crate::unusable::{Step, Unusable};

/// How long the thorough look may take in all.
const PROBE_TIMEOUT: Duration = Duration::from_secs(9);

/// How long the cheap look may take: less than what asks for it usually waits.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// The name of the file that is stored, and what is in it.
const PROBE_NAME: &str = "probe";
const PROBE_BYTES: &[u8] = b"Cogwire was here, to see whether it may be.";

/// Where no file can be, because it is no file's id.
const NOWHERE: &str = "ready";

impl Files {
    /// Stores, reads, lists and deletes a small file under `id`, which must be new. Takes 10 seconds at most.
    ///
    /// # Errors
    /// The first thing that did not work, in one sentence that names the setting.
    pub async fn probe(&self, id: FileId) -> Result<(), Error> {
        let opened = self.opened();
        let probed = async {
            fetch_credentials(opened).await?;
            try_everything(opened, id).await?;
            self.delete_leftovers(id).await
        };
        tokio::time::timeout(PROBE_TIMEOUT, probed).await.unwrap_or_else(|_| Err(too_slow(opened)))
    }

    /// Whether files can be had now, for a readiness check: one small request, which reads and changes nothing.
    ///
    /// It finds that the server is away, the bucket is gone, or the credentials are refused. It does not find that
    /// writing alone is refused, or that the storage is full. On disk it finds that the folder is away.
    ///
    /// # Errors
    /// Why not. Takes 5 seconds at most.
    pub async fn ready(&self) -> Result<(), Error> {
        let opened = self.opened();
        tokio::time::timeout(READY_TIMEOUT, opened.answers()).await.unwrap_or_else(|_| Err(too_slow(opened)))
    }
}

impl Opened {
    /// Whether the storage is there.
    pub(crate) async fn answers(&self) -> Result<(), Error> {
        if let Storage::Folder(path) = &self.storage {
            return look_into(path).await;
        }
        fetch_credentials(self).await?;
        // Not a HEAD: its answer could not say whether the object is missing or the bucket.
        match self.impatient.get(&Path::from(NOWHERE)).await {
            Err(error) if !Unusable::is_missing_object(&error) => Err(self.unusable(Step::Read, error)),
            _ => Ok(()),
        }
    }
}

/// Whether a folder is there.
pub(crate) async fn look_into(folder: &std::path::Path) -> Result<(), Error> {
    let looked = tokio::fs::read_dir(folder).await;
    looked.map(drop).map_err(|source| Error::Folder { path: folder.to_owned(), source: source.into() })
}

/// Separately, because the object store does not tell a server that is away from a role that is.
async fn fetch_credentials(opened: &Opened) -> Result<(), Error> {
    let (Storage::Bucket(bucket), Some(credentials)) = (&opened.storage, &opened.credentials) else {
        return Ok(());
    };
    let fetched = credentials.get_credential().await;
    fetched.map(drop).map_err(|error| Error::Unusable(Unusable::credentials(bucket, &error)))
}

async fn try_everything(opened: &Opened, id: FileId) -> Result<(), Error> {
    let store = &opened.impatient;
    let place = location::file(id, PROBE_NAME);
    let failed = |step| move |error| opened.unusable(step, error);
    store.put(&place, PROBE_BYTES.into()).await.map_err(failed(Step::Write))?;
    let read =
        store.get(&place).and_then(object_store::GetResult::bytes).await.map_err(failed(Step::Read))?;
    let listed: Vec<_> =
        store.list(Some(&location::folder(id))).try_collect().await.map_err(failed(Step::List))?;
    store.delete(&place).await.map_err(failed(Step::Delete))?;
    match &opened.storage {
        Storage::Bucket(bucket) if read != PROBE_BYTES || listed.is_empty() => {
            Err(Error::Unusable(Unusable::stale(bucket)))
        }
        _ => Ok(()),
    }
}

fn too_slow(opened: &Opened) -> Error {
    match &opened.storage {
        Storage::Folder(path) => {
            let source = std::io::Error::from(std::io::ErrorKind::TimedOut).into();
            Error::Folder { path: path.clone(), source }
        }
        Storage::Bucket(bucket) => Error::Unusable(Unusable::silent(bucket)),
    }
}
