//! One server for each data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::connection::{restrict_access, unavailable};
use super::failure::Outcome;
use crate::error::Error;

/// The name of the lock file in the data directory.
const FILE_NAME: &str = "cogwire.lock";

/// The exclusive use of a data directory. The operating system frees it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, without waiting.
    pub(super) fn take(dir: &Path) -> Outcome<Self> {
        let path = dir.join(FILE_NAME);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(|error| unavailable(&path, &error))?;
        restrict_access(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(dir.display().to_string()).into()),
            Err(TryLockError::Error(error)) => Err(unavailable(&path, &error)),
        }
    }
}
