//! Where the files of a test are.

use std::path::PathBuf;

use cogwire_files::Storage;
use tempfile::TempDir;

use crate::support::{moto, outside};

/// A storage with nothing in it.
pub(crate) struct Home {
    pub(crate) storage: Storage,
    /// For files that are to be stored, and for the storage that is a folder.
    pub(crate) folder: TempDir,
    /// The name of the bucket, for the storage that is one.
    pub(crate) bucket: Option<String>,
}

impl Home {
    pub(crate) async fn on_disk() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { storage: Storage::Folder(folder.path().join("files")), folder, bucket: None }
    }

    pub(crate) async fn on_s3() -> Self {
        let (bucket, storage) = moto::bucket().await;
        Self { storage, folder: tempfile::tempdir().expect("a temporary folder"), bucket: Some(bucket) }
    }

    /// Everything that is there, seen from outside: places below the storage's root, sorted.
    pub(crate) async fn entries(&self) -> Vec<String> {
        let mut entries = match &self.bucket {
            Some(bucket) => keys(&outside::ask(bucket, "list-type=2").await),
            None => files_below(&self.folder.path().join("files")),
        };
        entries.sort();
        entries
    }

    /// How many uploads were begun and neither completed nor aborted.
    pub(crate) async fn unfinished(&self) -> usize {
        match &self.bucket {
            Some(bucket) => outside::ask(bucket, "uploads").await.matches("<Upload>").count(),
            None => self.entries().await.iter().filter(|entry| entry.contains('#')).count(),
        }
    }
}

fn keys(listing: &str) -> Vec<String> {
    let keys = listing.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
    keys.map(|(key, _)| key.strip_prefix("some/prefix/").expect("below the prefix").to_owned()).collect()
}

fn files_below(root: &std::path::Path) -> Vec<String> {
    let folders = std::fs::read_dir(root).into_iter().flatten().map(|entry| entry.expect("readable"));
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).expect("a folder"));
    let path = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("readable").path();
    let place = |path: PathBuf| path.strip_prefix(root).expect("below").to_str().expect("UTF-8").to_owned();
    files.map(path).map(place).collect()
}
