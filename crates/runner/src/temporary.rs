//! Files and folders that are there as long as somebody means to use them.
//!
//! Deleting takes as long as the system needs for it, which for gigabytes is long: it is done where that disturbs nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// A folder that is deleted, with what is in it, when this is dropped.
#[derive(Debug)]
pub(crate) struct TemporaryFolder {
    /// There until it is dropped.
    folder: Option<TempDir>,
    tracker: TaskTracker,
}

/// A file of a model, deleted with the last of what refers to it.
#[derive(Debug)]
pub struct TemporaryFile {
    path: PathBuf,
    /// The folder that it is in, which goes when nobody needs it any more.
    folder: Arc<TemporaryFolder>,
}

impl TemporaryFolder {
    /// Takes over a folder. The tracker gets the task that deletes it.
    pub(crate) fn new(folder: TempDir, tracker: TaskTracker) -> Self {
        Self { folder: Some(folder), tracker }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.as_ref().expect("it is there until it is dropped").path()
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let folder = self.folder.take();
        aside(&self.tracker, move || drop(folder));
    }
}

impl TemporaryFile {
    /// Takes over a file somewhere in `folder`, and the folder right above it when that is left empty.
    pub(crate) fn new(path: PathBuf, folder: Arc<TemporaryFolder>) -> Self {
        Self { path, folder }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl PartialEq for TemporaryFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let (path, folder) = (std::mem::take(&mut self.path), Arc::clone(&self.folder));
        aside(&self.folder.tracker, move || {
            // What cannot be removed now goes with the folder.
            let _ = std::fs::remove_file(&path);
            if let Some(parent) = path.parent() {
                let _ = std::fs::remove_dir(parent);
            }
            drop(folder);
        });
    }
}

/// Does what blocks beside the runtime, or right here when there is none.
fn aside(tracker: &TaskTracker, work: impl FnOnce() + Send + 'static) {
    if Handle::try_current().is_ok() {
        tracker.spawn_blocking(work);
    } else {
        work();
    }
}
