//! A folder as one stream of bytes that only depends on its content.
//!
//! Owns what belongs to a model and what does not, and the form of the package: a tar whose entries are sorted,
//! have no times and no owners, and of the permissions keep only whether a file can be executed. Equal folders have
//! equal bytes and so equal digests. Blocks: call it where waiting for a disk is fine. Memory does not grow with
//! the size of files.

mod exclude;
mod steady;

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cogwire_core::recipe::Digest;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::links::stays_inside;
use exclude::Rules;
use steady::Steady;

/// The most files, folders and links in a package.
pub(crate) const MAX_ENTRIES: u64 = 1_000_000;

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The SHA-256 of the package.
    pub digest: Digest,
    /// How long the package is, in bytes.
    pub size: u64,
    /// How many files it has, folders and links aside.
    pub files: u64,
}

/// A folder was not packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// Something in the folder cannot be read.
    #[error("cannot read {}: see that it is there and may be read", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A link leads out of the folder.
    #[error(
        "the link {} leads to {}: put a copy in its place, or make it a relative link to a file in the folder, \
         without `..` after a name",
        path.display(), target.display()
    )]
    LeadsOut {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Something that is no file, folder or link.
    #[error("{} is {kind}, which cannot be packed: remove it, or name it in .dockerignore", path.display())]
    Special {
        /// What.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A file became longer or shorter while it was read.
    #[error("{} changed while it was read: try again when nothing writes to it", .0.display())]
    Changed(PathBuf),
    /// A line of `.dockerignore` is not a pattern.
    #[error("{}:{line}: {pattern:?} is not a pattern: {reason}", path.display())]
    Pattern {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder holds more than a model needs.
    #[error("{} has more than {MAX_ENTRIES} files: is it a model's folder? Name what it does not need in .dockerignore", .0.display())]
    TooMany(PathBuf),
    /// The package could not be written.
    #[error("cannot write the package")]
    Write(#[source] io::Error),
}

/// Writes the package of a folder.
///
/// Left out are `.git`, `__pycache__`, `*.pyc`, `.venv`, `venv`, `node_modules` and `.DS_Store` wherever they are,
/// `.cog/tmp`, and what the folder's `.dockerignore` names, in Docker's dialect. `cog.yaml` is never left out.
///
/// # Errors
/// When something cannot be read, leads out of the folder, is no file, folder or link, or changes meanwhile; and
/// when the writer fails. What was written until then is no package.
pub fn pack(folder: &Path, writer: impl Write) -> Result<Packed, PackError> {
    let rules = Rules::read(folder)?;
    let measured = Measured { writer, hash: Sha256::new(), size: 0 };
    let mut packer = Packer { folder, rules, tar: Builder::new(measured), entries: 0, files: 0 };
    packer.add_children(Path::new(""))?;
    let files = packer.files;
    let mut measured = packer.tar.into_inner().map_err(PackError::Write)?;
    measured.flush().map_err(PackError::Write)?;
    let digest = Digest::from_sha256(measured.hash.finalize().into());
    Ok(Packed { digest, size: measured.size, files })
}

struct Packer<'a, W: Write> {
    folder: &'a Path,
    rules: Rules,
    tar: Builder<Measured<W>>,
    entries: u64,
    files: u64,
}

impl<W: Write> Packer<'_, W> {
    /// Adds what is in a folder, which is named by its path below the model's folder.
    fn add_children(&mut self, parent: &Path) -> Result<(), PackError> {
        let folder =
            if parent.as_os_str().is_empty() { self.folder.to_owned() } else { self.folder.join(parent) };
        for name in sorted_names(&folder)? {
            let path = parent.join(name);
            if !self.rules.never(&path) {
                self.add(&path)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path) -> Result<(), PackError> {
        let full = self.folder.join(path);
        let metadata =
            fs::symlink_metadata(&full).map_err(|source| PackError::Read { path: full.clone(), source })?;
        let excluded = self.rules.exclude(path);
        if metadata.is_dir() {
            return self.add_folder(path, excluded);
        }
        if excluded {
            return Ok(());
        }
        self.count()?;
        if metadata.is_symlink() {
            self.add_link(path, &full)
        } else if metadata.is_file() {
            self.add_file(path, &full)
        } else {
            Err(PackError::Special { path: full, kind: kind(&metadata) })
        }
    }

    /// A folder that is excluded may have files that a later pattern takes back.
    fn add_folder(&mut self, path: &Path, excluded: bool) -> Result<(), PackError> {
        if excluded && !self.rules.take_something_back() {
            return Ok(());
        }
        if !excluded {
            self.count()?;
            let mut header = header(EntryType::Directory, 0, 0o755);
            self.tar.append_data(&mut header, path, io::empty()).map_err(PackError::Write)?;
        }
        self.add_children(path)
    }

    fn add_link(&mut self, path: &Path, full: &Path) -> Result<(), PackError> {
        let target =
            fs::read_link(full).map_err(|source| PackError::Read { path: full.to_owned(), source })?;
        if !stays_inside(path, &target) {
            return Err(PackError::LeadsOut { path: full.to_owned(), target });
        }
        let mut header = header(EntryType::Symlink, 0, 0o777);
        self.tar.append_link(&mut header, path, target).map_err(PackError::Write)
    }

    fn add_file(&mut self, path: &Path, full: &Path) -> Result<(), PackError> {
        let read = |source| PackError::Read { path: full.to_owned(), source };
        let file = File::open(full).map_err(read)?;
        // Of the opened file: the one that was looked at may have been replaced.
        let metadata = file.metadata().map_err(read)?;
        let mode = if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
        let mut header = header(EntryType::Regular, metadata.len(), mode);
        let mut content = Steady::new(file, metadata.len());
        let appended = self.tar.append_data(&mut header, path, &mut content);
        self.files += 1;
        match (appended, content.into_fault()) {
            (Ok(()), _) => Ok(()),
            (Err(error), None) => Err(PackError::Write(error)),
            (Err(_), Some(steady::Fault::Changed)) => Err(PackError::Changed(full.to_owned())),
            (Err(error), Some(steady::Fault::Unreadable)) => Err(read(error)),
        }
    }

    fn count(&mut self) -> Result<(), PackError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES { Err(PackError::TooMany(self.folder.to_owned())) } else { Ok(()) }
    }
}

/// A file's name, times and owner say nothing about its content.
fn header(kind: EntryType, size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn sorted_names(folder: &Path) -> Result<Vec<OsString>, PackError> {
    let names =
        || fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<OsString>>>();
    let mut names = names().map_err(|source| PackError::Read { path: folder.to_owned(), source })?;
    names.sort_unstable();
    Ok(names)
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_socket() => "a socket",
        () if kind.is_fifo() => "a pipe",
        () => "a device",
    }
}

/// Hashes and counts what is written.
struct Measured<W> {
    writer: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
