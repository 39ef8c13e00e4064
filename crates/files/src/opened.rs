//! A storage that is in use: the object stores that speak to it.

mod s3;

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AwsCredentialProvider;
use object_store::local::LocalFileSystem;

use crate::error::{Cause, Error};
use crate::folder;
use crate::storage::Storage;
use crate::unusable::{Step, Unusable};

/// An opened storage. Whether it works is not known before it is used.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) storage: Storage,
    /// For work: waits and repeats, so that a short trouble is not noticed.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The same storage for whoever asks how it is: gives up within seconds.
    pub(crate) impatient: Arc<dyn ObjectStore>,
    /// Where the impatient store has its credentials from; a folder needs none.
    pub(crate) credentials: Option<AwsCredentialProvider>,
}

impl Opened {
    /// Makes a folder that is missing, for this user only on Unix. Nothing is asked of a server yet.
    pub(crate) fn open(storage: &Storage) -> Result<Self, Error> {
        match storage {
            Storage::Folder(path) => Self::open_folder(storage, path),
            Storage::Bucket(bucket) => {
                let refused = |source| Error::Unusable(Unusable::client(bucket, source));
                let (store, _) = s3::connect(bucket, &s3::WORK).map_err(refused)?;
                let (impatient, credentials) = s3::connect(bucket, &s3::PROBE).map_err(refused)?;
                Ok(Self { storage: storage.clone(), store, impatient, credentials: Some(credentials) })
            }
        }
    }

    fn open_folder(storage: &Storage, path: &Path) -> Result<Self, Error> {
        let unusable = |source: Cause| Error::Folder { path: path.to_owned(), source };
        folder::prepare(path).map_err(|source| unusable(source.into()))?;
        let store = LocalFileSystem::new_with_prefix(path).map_err(|source| unusable(source.into()))?;
        let store: Arc<dyn ObjectStore> = Arc::new(store.with_fsync(true));
        Ok(Self { storage: storage.clone(), impatient: Arc::clone(&store), store, credentials: None })
    }

    /// What a failure means, in words for whoever runs the server.
    pub(crate) fn cause(&self, step: Step, error: object_store::Error) -> Cause {
        match &self.storage {
            Storage::Folder(_) => error.into(),
            Storage::Bucket(bucket) => Unusable::explain(bucket, step, &error).into(),
        }
    }

    /// The failure of the storage as a whole, when it is not about one file.
    pub(crate) fn unusable(&self, step: Step, error: object_store::Error) -> Error {
        match &self.storage {
            Storage::Folder(path) => Error::Folder { path: path.clone(), source: error.into() },
            Storage::Bucket(bucket) => Error::Unusable(Unusable::explain(bucket, step, &error)),
        }
    }
}
