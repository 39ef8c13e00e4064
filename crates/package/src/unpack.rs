//! A folder out of a package that nobody has to trust.
//!
//! Owns what a package may hold: only files, folders and links that stay inside, no more than the limits. The
//! folder appears under its name when all of it is there and its digest is the expected one, and not before,
//! whatever happens. Blocks: call it where waiting for a disk is fine. Memory does not grow with the size of files.

mod entry;
mod measured;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use cogwire_core::recipe::Digest;
use tar::Archive;
use tempfile::TempDir;

use crate::pack::MAX_ENTRIES;
use entry::{Entry, Kind};
use measured::Measured;

/// What ends the name of a folder that is not complete. Its name begins with a dot.
const PARTIAL: &str = ".part";

/// How much is copied at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// The most that a package may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest package, in bytes. No more than that gets on the disk.
    pub bytes: u64,
    /// The most files, folders and links.
    pub entries: u64,
}

impl Limits {
    /// As many entries as packing allows, and this many bytes.
    pub fn of_bytes(bytes: u64) -> Self {
        Self { bytes, entries: MAX_ENTRIES }
    }
}

/// A package was not unpacked. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// The package cannot be read, or it is not a package.
    #[error("the package is damaged or cut short: add the model again")]
    Damaged,
    /// The package cannot be fetched to its end.
    #[error("the package cannot be read: try again")]
    Unreadable(#[source] io::Error),
    /// The package is another one.
    #[error("the package has the digest {found} and not {expected}: add the model again")]
    Different {
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// The package is too long.
    #[error(
        "the package has more than {0} bytes: leave out what the model does not need (.dockerignore), or raise \
         package_limit (--package-limit)"
    )]
    TooLong(u64),
    /// The package has too many entries.
    #[error("the package has more than {0} files: leave out what the model does not need (.dockerignore)")]
    TooMany(u64),
    /// The package has something that no model has.
    #[error("the package holds {path:?}, which {what}: it was not made by Cogwire")]
    Refused {
        /// The name that it has in the package.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Something cannot be written.
    #[error("cannot write {}: see that there is space, and that this user may write there", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Makes a folder out of the package with this digest. A folder that is there already stays as it is.
///
/// # Errors
/// When the package cannot be read or has another digest, holds more than `limits` or something other than files,
/// folders and links that stay inside, and when the disk refuses.
pub fn unpack(
    reader: impl Read,
    digest: &Digest,
    destination: &Path,
    limits: Limits,
) -> Result<(), UnpackError> {
    let partial = partial(destination)?;
    let mut reader = Measured::new(reader, limits.bytes);
    let written = write_entries(&mut reader, partial.path(), limits.entries);
    let read = written.and_then(|()| reader.finish().map_err(damaged));
    if reader.is_too_long() {
        return Err(UnpackError::TooLong(limits.bytes));
    }
    if let Some(failure) = reader.failure() {
        return Err(UnpackError::Unreadable(failure));
    }
    read?;
    let found = reader.digest();
    if found != *digest {
        return Err(UnpackError::Different { expected: digest.clone(), found });
    }
    publish(partial, destination)
}

/// Removes what unpacking left in a folder when the process was killed. Nobody may be unpacking there. Blocks.
///
/// # Errors
/// When something cannot be removed.
pub fn remove_leftovers(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(PARTIAL) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// A folder beside the destination: only there a rename is one step. It removes itself.
fn partial(destination: &Path) -> Result<TempDir, UnpackError> {
    let name = destination.file_name().unwrap_or_default().to_string_lossy();
    let parent = destination.parent().unwrap_or(Path::new("."));
    let make = || {
        fs::create_dir_all(parent)?;
        tempfile::Builder::new().prefix(&format!(".{name}.")).suffix(PARTIAL).tempdir_in(parent)
    };
    make().map_err(|source| write_error(parent, source))
}

/// Links come last, so that nothing is written through one.
fn write_entries(reader: &mut impl Read, folder: &Path, most: u64) -> Result<(), UnpackError> {
    let mut links = Vec::new();
    let mut archive = Archive::new(reader);
    let mut entries = entry::Reader::new(archive.entries().map_err(damaged)?);
    let mut count = 0;
    while let Some(entry) = entries.next()? {
        count += 1;
        if count > most {
            return Err(UnpackError::TooMany(most));
        }
        match entry {
            Entry { path, kind: Kind::Link(target), .. } => links.push((folder.join(path), target)),
            Entry { path, kind: Kind::Folder, .. } => make_folder(&folder.join(path))?,
            Entry { path, kind: Kind::File { executable }, mut content } => {
                write_file(&mut content, &folder.join(path), executable)?;
            }
        }
    }
    for (path, target) in links {
        make_folder(path.parent().unwrap_or(folder))?;
        symlink(target, &path).map_err(|source| write_error(&path, source))?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), UnpackError> {
    fs::create_dir_all(path).map_err(|source| write_error(path, source))
}

/// Each file is on the disk before the folder has its name: a rename may survive a crash that content does not.
fn write_file(content: &mut impl Read, path: &Path, executable: bool) -> Result<(), UnpackError> {
    let refused = |source| write_error(path, source);
    make_folder(path.parent().unwrap_or(path))?;
    let mode = if executable { 0o755 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(refused)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        match content.read(&mut chunk) {
            Ok(0) => return file.sync_all().map_err(refused),
            Ok(read) => file.write_all(&chunk[..read]).map_err(refused)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(damaged(error)),
        }
    }
}

/// Somebody else may have been faster: the digest makes their folder as good as this one.
fn publish(partial: TempDir, destination: &Path) -> Result<(), UnpackError> {
    match fs::rename(partial.path(), destination) {
        Ok(()) => drop(partial.keep()),
        Err(_) if destination.is_dir() => return Ok(()),
        Err(source) => return Err(write_error(destination, source)),
    }
    let parent = destination.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(|source| write_error(parent, source))
}

/// What is wrong with a tar says nothing to whoever adds a model, and quotes bytes that may be anything.
fn damaged(_error: io::Error) -> UnpackError {
    UnpackError::Damaged
}

fn write_error(path: &Path, source: io::Error) -> UnpackError {
    UnpackError::Write { path: path.to_owned(), source }
}
