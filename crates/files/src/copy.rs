//! Copies all files from one storage to another, for moving an installation.
//!
//! May be interrupted and run again: what is there already with the same size is passed over, which is enough because
//! nothing is ever stored under an id and a name again with other bytes. It may run beside a server; what is stored in the
//! meantime is found by the next run. It deletes nothing, on neither side.

use std::future::ready;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::download::fetch;
use crate::error::{Cause, Error};
use crate::opened::Opened;
use crate::probe::look_into;
use crate::storage::Storage;
use crate::unusable::Step;
use crate::upload::{Failure, write_pieces};

/// Files that are copied at once. Each takes the memory of an upload at most.
const FILES_AT_ONCE: usize = 8;

/// How far a copy is. What is added while it runs is done without being in the totals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyProgress {
    /// Files to be copied, found before the first one.
    pub total_files: u64,
    /// Their bytes.
    pub total_bytes: u64,
    /// Files that are done with.
    pub files: u64,
    /// Bytes that are done with, also of files on their way.
    pub bytes: u64,
    /// Of the files that are done with, those that were there already.
    pub skipped: u64,
}

/// Copies all files of `from` to `to`, and looks in the end whether all are there in their size. `progress` is told after
/// each piece, from one task, and must not block.
///
/// # Errors
/// When one of the storages cannot be used, at the first file that cannot be copied, and when the look in the end finds
/// something missing. Then running it again is safe and goes on where it stopped.
pub async fn copy(
    from: &Storage,
    to: &Storage,
    progress: impl Fn(CopyProgress) + Send + Sync,
) -> Result<CopyProgress, Error> {
    Copy::begin(from, to, progress).await?.run().await
}

/// Copies the files that are there when it begins, and looks after each whether it has arrived in its size. Those that a
/// server adds meanwhile may come along or not: who needs them has to copy again.
///
/// # Errors
/// When one of the storages cannot be used, and at the first file that cannot be copied.
pub async fn copy_present(
    from: &Storage,
    to: &Storage,
    progress: impl Fn(CopyProgress) + Send + Sync,
) -> Result<CopyProgress, Error> {
    Copy::begin(from, to, progress).await?.run_present().await
}

struct Copy<T> {
    from: Arc<Opened>,
    to: Opened,
    progress: Mutex<CopyProgress>,
    tell: T,
}

impl<T: Fn(CopyProgress) + Send + Sync> Copy<T> {
    async fn begin(from: &Storage, to: &Storage, tell: T) -> Result<Self, Error> {
        if let Storage::Folder(path) = from {
            // Opening would make it.
            look_into(path).await?;
        }
        let (from, to) = (Arc::new(Opened::open(from)?), Opened::open(to)?);
        let copy = Self { from, to, progress: Mutex::default(), tell };
        copy.from.answers().await?;
        copy.to.answers().await?;
        Ok(copy)
    }

    async fn run(&self) -> Result<CopyProgress, Error> {
        self.count_all().await?;
        self.files().try_for_each_concurrent(FILES_AT_ONCE, |meta| self.copy_file(meta)).await?;
        self.verify().await?;
        Ok(self.now())
    }

    async fn run_present(&self) -> Result<CopyProgress, Error> {
        self.count_all().await?;
        let copy = async |meta: ObjectMeta| {
            self.copy_file(meta.clone()).await?;
            if self.is_there(&meta).await? || self.is_gone(&meta).await {
                return Ok(());
            }
            Err(self.incomplete(1, meta.location))
        };
        self.files().try_for_each_concurrent(FILES_AT_ONCE, copy).await?;
        Ok(self.now())
    }

    async fn count_all(&self) -> Result<(), Error> {
        self.files().try_for_each(|meta| ready(self.count(&meta))).await
    }

    /// What there is to copy. A console of a bucket makes empty objects that stand for folders; they are none of ours, and
    /// no file lies outside of a folder.
    fn files(&self) -> BoxStream<'_, Result<ObjectMeta, Error>> {
        let failed = |error| self.from.unusable(Step::List, error);
        let in_a_folder = |meta: &ObjectMeta| ready(meta.location.parts().count() > 1);
        self.from.store.list(None).map_err(failed).try_filter(in_a_folder).boxed()
    }

    fn count(&self, meta: &ObjectMeta) -> Result<(), Error> {
        self.advance(|progress| {
            progress.total_files += 1;
            progress.total_bytes += meta.size;
        });
        Ok(())
    }

    async fn copy_file(&self, meta: ObjectMeta) -> Result<(), Error> {
        if self.is_there(&meta).await? {
            self.advance(|progress| {
                progress.skipped += 1;
                progress.bytes += meta.size;
            });
        } else if let Err(source) = self.write(&meta).await
            && !self.is_gone(&meta).await
        {
            return Err(self.failed(&meta, source));
        }
        self.advance(|progress| progress.files += 1);
        Ok(())
    }

    async fn is_there(&self, meta: &ObjectMeta) -> Result<bool, Error> {
        match self.to.store.head(&meta.location).await {
            Ok(found) => Ok(found.size == meta.size),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(meta, self.to.cause(Step::Read, error))),
        }
    }

    async fn write(&self, meta: &ObjectMeta) -> Result<(), Cause> {
        let pieces = self.read(meta).await?.map_err(Failure::Content).inspect_ok(|piece| {
            self.advance(|progress| progress.bytes += piece.len() as u64);
        });
        match write_pieces(self.to.store.as_ref(), &meta.location, pieces.boxed()).await {
            Ok(()) => Ok(()),
            Err(Failure::Content(cause)) => Err(cause),
            Err(Failure::Storage(error)) => Err(self.to.cause(Step::Write, error)),
        }
    }

    /// What a running server deleted in the meantime need not be copied.
    async fn is_gone(&self, meta: &ObjectMeta) -> bool {
        matches!(self.from.store.head(&meta.location).await, Err(object_store::Error::NotFound { .. }))
    }

    /// Nothing has no range.
    async fn read(&self, meta: &ObjectMeta) -> Result<BoxStream<'static, Result<Bytes, Cause>>, Cause> {
        match meta.size {
            0 => Ok(stream::empty().boxed()),
            size => fetch(&self.from, meta, 0..size).await,
        }
    }

    async fn verify(&self) -> Result<(), Error> {
        let missing = Mutex::new((0, Path::ROOT));
        let look = async |meta: ObjectMeta| {
            if !self.is_there(&meta).await? {
                let mut missing = missing.lock().expect(NO_PANIC);
                *missing = (missing.0 + 1, meta.location);
            }
            Ok(())
        };
        self.files().try_for_each_concurrent(FILES_AT_ONCE, look).await?;
        match missing.into_inner().expect(NO_PANIC) {
            (0, _) => Ok(()),
            (files, one) => {
                Err(Error::Incomplete { files, one: one.into(), to: self.to.storage.to_string() })
            }
        }
    }

    fn failed(&self, meta: &ObjectMeta, source: Cause) -> Error {
        let (from, to) = (self.from.storage.to_string(), self.to.storage.to_string());
        Error::Copy { file: meta.location.to_string(), from, to, source }
    }

    fn incomplete(&self, files: u64, one: Path) -> Error {
        Error::Incomplete { files, one: one.into(), to: self.to.storage.to_string() }
    }

    fn now(&self) -> CopyProgress {
        *self.progress.lock().expect(NO_PANIC)
    }

    fn advance(&self, step: impl FnOnce(&mut CopyProgress)) {
        let now = {
            let mut progress = self.progress.lock().expect(NO_PANIC);
            step(&mut progress);
            *progress
        };
        (self.tell)(now);
    }
}

const NO_PANIC: &str = "nothing panics while it is locked";
