//! The file that says that an environment is complete, and what it has.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Environment;
use super::error::EnvironmentError;

const FILE_NAME: &str = "cogwire-environment.json";

/// What a complete environment has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// Where it was made. Its scripts do not work elsewhere.
    #[serde(default)]
    pub(super) folder: PathBuf,
    pub(super) python: String,
    pub(super) cog: String,
    pub(super) coglet: Option<String>,
}

impl Marker {
    /// `None` when the environment is not there, not complete, has been moved, or its Python is no longer on this
    /// machine.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let marker: Self = serde_json::from_slice(&fs::read(folder.join(FILE_NAME)).ok()?).ok()?;
        (marker.folder == folder && python_in(folder).exists()).then_some(marker)
    }

    /// Says that the environment is complete. All of it is on the disk before: the marker must not survive a crash
    /// alone.
    pub(super) async fn write(&self, folder: &Path) -> Result<(), EnvironmentError> {
        let text = serde_json::to_vec(self).expect("texts are JSON");
        let path = folder.join(FILE_NAME);
        let written = tokio::task::spawn_blocking({
            let path = path.clone();
            move || write(&path, &text)
        });
        let written = written.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|source| EnvironmentError::Folder { path, source })
    }

    pub(super) fn environment(&self, folder: &Path, key: String) -> Environment {
        Environment {
            bin: folder.join("bin"),
            python: python_in(folder),
            python_version: self.python.clone(),
            cog_version: self.cog.clone(),
            coglet_version: self.coglet.clone(),
            key,
        }
    }
}

/// The Python of an environment.
pub(super) fn python_in(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    sync_all_around(path)?;
    let partial = path.with_extension("part");
    fs::write(&partial, text)?;
    fs::File::open(&partial)?.sync_all()?;
    fs::rename(partial, path)
}

/// Thousands of files: to sync the file system is faster than to sync each of them.
#[cfg(target_os = "linux")]
fn sync_all_around(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(path.parent().unwrap_or(path))?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_all_around(_: &Path) -> io::Result<()> {
    rustix::fs::sync();
    Ok(())
}
