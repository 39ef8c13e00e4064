//! What a backup consists of, so that what is missing or damaged is found before it is needed.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use cogwire_core::time::Timestamp;
use cogwire_files::Storage;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::server::private_file;

/// The database in a backup.
pub(in crate::cli) const DATABASE: &str = "cogwire.db";
/// The folder of files in a backup.
pub(in crate::cli) const FILES: &str = "files";
/// What says that a folder is a backup.
const MANIFEST: &str = "manifest.json";
/// The files, each a line of JSON.
const LIST: &str = "files.jsonl";

const FORMAT: &str = "cogwire-backup";
const VERSION: u32 = 1;

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// The manifest of a backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Manifest {
    format: String,
    version: u32,
    /// When the copy of the database was begun.
    pub(in crate::cli) created_at: String,
    /// The version of its schema.
    pub(in crate::cli) schema: i64,
    /// The database.
    pub(in crate::cli) database: Entry,
    /// The files.
    pub(in crate::cli) files: Files,
}

/// A file of the backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Entry {
    /// Its place in the backup.
    path: String,
    /// Its length in bytes.
    pub(in crate::cli) size: u64,
    sha256: String,
}

/// The files of predictions, as a whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Files {
    /// Where they were.
    pub(in crate::cli) storage: String,
    /// How many are in the backup.
    pub(in crate::cli) count: u64,
    /// Their bytes.
    pub(in crate::cli) bytes: u64,
    /// The list of them.
    list: Entry,
}

/// Why a folder is no backup, or a damaged one.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum Error {
    /// It cannot be read or written.
    #[error("{path}")]
    Io {
        /// What cannot.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// There is no manifest.
    #[error("it has no manifest.json: it is no backup, or one that was not completed")]
    NoManifest,
    /// The manifest or the list says nothing that can be understood.
    #[error("{name} is damaged")]
    Unreadable {
        /// Which of them.
        name: &'static str,
        /// How.
        source: serde_json::Error,
    },
    /// A newer program made it.
    #[error(
        "it is of version {0} of the format, and this cogwire knows version {VERSION}: restore it with a newer one"
    )]
    Newer(u32),
    /// A file is not what it was.
    #[error("{0} is missing or damaged: use another backup")]
    Damaged(String),
}

impl Manifest {
    /// Describes what a folder holds, and writes it down there.
    pub(in crate::cli) fn make(
        dir: &Path,
        created_at: Timestamp,
        schema: i64,
        storage: &Storage,
    ) -> Result<Self, Error> {
        let (count, bytes) = write_list(dir)?;
        let manifest = Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            created_at: created_at.to_string(),
            schema,
            database: Entry::of(dir, DATABASE)?,
            files: Files { storage: storage.to_string(), count, bytes, list: Entry::of(dir, LIST)? },
        };
        let text = serde_json::to_string_pretty(&manifest).expect("texts and numbers are JSON");
        let path = dir.join(MANIFEST);
        let mut file = BufWriter::new(private_file::create(&path).map_err(at(&path))?);
        writeln!(file, "{text}").and_then(|()| flush(file)).map_err(at(&path))?;
        Ok(manifest)
    }

    /// Reads the manifest of a backup, and looks whether all is there as it was.
    pub(in crate::cli) fn check(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(MANIFEST);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NoManifest),
            read => read.map_err(at(&path))?,
        };
        let manifest = Self::parse(&text)?;
        manifest.database.check(dir)?;
        manifest.files.list.check(dir)?;
        let path = dir.join(LIST);
        for line in BufReader::new(File::open(&path).map_err(at(&path))?).lines() {
            let unreadable = |source| Error::Unreadable { name: LIST, source };
            let entry: Entry = serde_json::from_str(&line.map_err(at(&path))?).map_err(unreadable)?;
            entry.check(dir)?;
        }
        Ok(manifest)
    }

    fn parse(text: &[u8]) -> Result<Self, Error> {
        /// As much as every version has.
        #[derive(Deserialize)]
        struct Any {
            version: u32,
        }
        let unreadable = |source| Error::Unreadable { name: MANIFEST, source };
        let any: Any = serde_json::from_slice(text).map_err(unreadable)?;
        if any.version > VERSION {
            return Err(Error::Newer(any.version));
        }
        serde_json::from_slice(text).map_err(unreadable)
    }
}

impl Entry {
    fn of(dir: &Path, place: &str) -> Result<Self, Error> {
        let path = dir.join(place);
        let (size, sha256) = digest(&path).map_err(at(&path))?;
        Ok(Self { path: place.to_owned(), size, sha256 })
    }

    /// A place outside of the backup is as wrong as a file that has changed.
    fn check(&self, dir: &Path) -> Result<(), Error> {
        let inside = Path::new(&self.path).components().all(|part| matches!(part, Component::Normal(_)));
        let damaged = || Error::Damaged(self.path.clone());
        if !inside {
            return Err(damaged());
        }
        let path = dir.join(&self.path);
        match digest(&path) {
            Ok(found) if found == (self.size, self.sha256.clone()) => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path)(error)),
            _ => Err(damaged()),
        }
    }
}

/// Lists the files, and says how many there are and how long they are together.
fn write_list(dir: &Path) -> Result<(u64, u64), Error> {
    let (mut paths, root) = (Vec::new(), dir.join(FILES));
    if root.exists() {
        find_files(&root, &mut paths).map_err(at(&root))?;
    }
    paths.sort();
    let (count, mut bytes, list) = (paths.len() as u64, 0, dir.join(LIST));
    let mut lines = BufWriter::new(private_file::create(&list).map_err(at(&list))?);
    for path in paths {
        let place = path.strip_prefix(dir).expect("it was found there").to_string_lossy().replace('\\', "/");
        let entry = Entry::of(dir, &place)?;
        bytes += entry.size;
        let line = serde_json::to_string(&entry).expect("texts and numbers are JSON");
        writeln!(lines, "{line}").map_err(at(&list))?;
    }
    flush(lines).map_err(at(&list))?;
    Ok((count, bytes))
}

fn find_files(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { find_files(&path, found)? } else { found.push(path) }
    }
    Ok(())
}

fn digest(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash, mut size) = (File::open(path)?, Sha256::new(), 0);
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok((size, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()));
        }
        hash.update(&piece[..length]);
        size += length as u64;
    }
}

fn flush(mut file: BufWriter<File>) -> io::Result<()> {
    file.flush()?;
    file.get_ref().sync_all()
}

fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::Io { path: path.clone(), source }
}

/// Makes the names in a folder durable.
#[cfg(unix)]
pub(super) fn flush_folder(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}

/// Other systems do not open folders, and keep names durable by themselves.
#[cfg(not(unix))]
pub(super) fn flush_folder(_dir: &Path) -> io::Result<()> {
    Ok(())
}
