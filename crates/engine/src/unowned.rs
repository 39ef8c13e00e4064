//! Deletes files that belong to no prediction: a crash between storing the files of an input and creating the prediction leaves
//! them, and retention looks for files by their predictions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cogwire_core::id::FileId;
use cogwire_store as store;

use crate::Shared;
use crate::driver::{Activity, Round, RoundFuture};

/// How old a file must be: by then its prediction is there, if there ever will be one.
const SETTLED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Goes through all files once, and from then on through those that have become old enough.
pub(crate) struct UnownedFiles {
    shared: Arc<Shared>,
    /// Files up to this one have been looked at. Predictions are never deleted, so once is enough; a file that could not be
    /// deleted is found again after the next start.
    looked_at: Mutex<Option<FileId>>,
}

impl UnownedFiles {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, looked_at: Mutex::default() }
    }

    async fn look(&self) -> store::Result<Round> {
        let before = self.shared.clock.now() - SETTLED_AFTER;
        let after = *self.lock();
        let page = self.shared.store.unowned_files(before, after, self.shared.config.sweep_batch).await?;
        self.delete(&page.unowned).await?;
        match page.next {
            Some(next) => {
                *self.lock() = Some(next);
                Ok(Round::More)
            }
            None => Ok(Round::Done),
        }
    }

    /// The bytes first: while they cannot be deleted, the row still says that they are there.
    async fn delete(&self, files: &[FileId]) -> store::Result<()> {
        for file in files {
            match self.shared.files.delete(*file).await {
                Ok(()) => self.shared.store.forget_files(&[*file]).await?,
                Err(error) => {
                    tracing::warn!(file_id = %file, %error, "a file of a prediction that was never created could not be deleted");
                }
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<FileId>> {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Activity for UnownedFiles {
    fn name(&self) -> &'static str {
        "unowned files"
    }

    fn activate(&self) -> RoundFuture<'_> {
        Box::pin(self.look())
    }
}
