//! Files that are there as long as somebody means to read them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

/// A file of a model, deleted with the last of what refers to it. Deleting takes as long as the system needs for it.
#[derive(Debug)]
pub struct TemporaryFile {
    path: PathBuf,
    /// The folder that it is in, which goes when nobody needs it any more.
    _folder: Arc<TempDir>,
}

impl TemporaryFile {
    /// Takes over a file somewhere in `folder`, and the folder right above it when that is left empty.
    pub(crate) fn new(path: PathBuf, folder: Arc<TempDir>) -> Self {
        Self { path, _folder: folder }
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
        // What cannot be removed now goes with the folder.
        let _ = std::fs::remove_file(&self.path);
        if let Some(parent) = self.path.parent() {
            let _ = std::fs::remove_dir(parent);
        }
    }
}
