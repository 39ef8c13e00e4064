//! The entries of a package, read with suspicion.
//!
//! Owns which kinds of entries there may be, and which names. A long name comes as an entry of its own before the
//! one that it is for; how long that may be is bounded here, because it is read into memory.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use tar::{Entries, EntryType};

use super::UnpackError;
use crate::links::stays_inside;

/// The longest path, in bytes: no operating system takes a longer one.
const MAX_PATH: u64 = 4096;

/// Something in a package whose name is safe.
pub(super) struct Entry<'a, R: Read> {
    /// Relative, and only names.
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) content: tar::Entry<'a, R>,
}

pub(super) enum Kind {
    File { executable: bool },
    Folder,
    Link(PathBuf),
}

/// Reads one entry after the other.
pub(super) struct Reader<'a, R: Read> {
    entries: Entries<'a, R>,
}

impl<'a, R: Read> Reader<'a, R> {
    pub(super) fn new(entries: Entries<'a, R>) -> Self {
        Self { entries: entries.raw(true) }
    }

    /// The next entry, or `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Entry<'a, R>>, UnpackError> {
        let (mut long_name, mut long_target) = (None, None);
        for content in &mut self.entries {
            let mut content = content.map_err(super::damaged)?;
            match content.header().entry_type() {
                EntryType::GNULongName => long_name = Some(long_text(&mut content)?),
                EntryType::GNULongLink => long_target = Some(long_text(&mut content)?),
                _ => return entry(content, long_name, long_target).map(Some),
            }
        }
        Ok(None)
    }
}

fn entry<R: Read>(
    content: tar::Entry<'_, R>,
    long_name: Option<PathBuf>,
    long_target: Option<PathBuf>,
) -> Result<Entry<'_, R>, UnpackError> {
    let header = content.header();
    let name = long_name.unwrap_or_else(|| to_path(&header.path_bytes()));
    let path = safe_path(&name)?;
    let kind = match header.entry_type() {
        EntryType::Regular => Kind::File { executable: header.mode().is_ok_and(|mode| mode & 0o100 != 0) },
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => {
            let target = || to_path(&header.link_name_bytes().unwrap_or_default());
            Kind::Link(safe_target(&path, long_target.unwrap_or_else(target))?)
        }
        _ => return Err(refused(&path, "is no file, folder or symbolic link")),
    };
    Ok(Entry { path, kind, content })
}

fn long_text<R: Read>(content: &mut tar::Entry<'_, R>) -> Result<PathBuf, UnpackError> {
    let mut bytes = Vec::new();
    content.by_ref().take(MAX_PATH + 1).read_to_end(&mut bytes).map_err(super::damaged)?;
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    let path = to_path(&bytes);
    if bytes.len() as u64 > MAX_PATH {
        Err(refused(Path::new("…"), "has too long a name"))
    } else {
        Ok(path)
    }
}

/// The path, when it consists of names only.
fn safe_path(path: &Path) -> Result<PathBuf, UnpackError> {
    let is_name = |component| matches!(component, Component::Normal(_));
    if path.as_os_str().is_empty() || !path.components().all(is_name) || has_nul(path) {
        return Err(refused(path, "is not a name inside of the folder"));
    }
    Ok(path.to_owned())
}

fn safe_target(path: &Path, target: PathBuf) -> Result<PathBuf, UnpackError> {
    if stays_inside(path, &target) && !has_nul(&target) {
        Ok(target)
    } else {
        Err(refused(path, "is a link that leads out of the folder"))
    }
}

fn has_nul(path: &Path) -> bool {
    path.as_os_str().as_bytes().contains(&0)
}

fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn refused(path: &Path, what: &'static str) -> UnpackError {
    UnpackError::Refused { path: path.to_owned(), what }
}
