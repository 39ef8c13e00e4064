//! `cogwire backup`: a copy of a data directory as of one moment, made beside the server that uses it.
//!
//! The database is copied first. Files are never changed once they are written, and are there before the row that names them
//! is; so what is copied afterwards has all that the copy of the database names, but for what retention removed meanwhile.

pub(super) mod manifest;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use cogwire_core::time::Clock;
use cogwire_files::Storage;
use cogwire_store::{SqliteOptions, SqliteStore};
use indicatif::HumanBytes;

use self::manifest::{DATABASE, FILES, Manifest};
use super::failure::{Failure, Outcome};
use super::{moving, output};
use crate::config::{Environment, PlacesArgs, StorePlace, files_place};
use crate::lifecycle::SystemClock;
use crate::server::private_file;

/// Held by the process that writes a backup.
const LOCK: &str = "lock";

/// Copies a data directory, also beside the server that uses it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cogwire backup /backups/cogwire-2026-11-21
  cogwire backup --data-dir /var/lib/cogwire /backups/cogwire-2026-11-21

The folder appears when it is complete; until then it is called DIR.partial. It holds signing
secrets. `cogwire restore` makes a data directory of it. An installation on PostgreSQL and S3 is
kept by their own means, pg_dump and versioning.")]
pub(super) struct BackupArgs {
    /// A folder that is not there yet.
    dir: PathBuf,
    #[command(flatten)]
    places: PlacesArgs,
}

/// Does what the arguments say.
pub(super) async fn run(args: BackupArgs) -> Outcome {
    let environment = Environment::of_process();
    let layers = args.places.layers(&environment)?;
    let files = files_place(&layers, &environment)?;
    let data_dir = match StorePlace::read(&layers, &environment)? {
        StorePlace::DataDir(path) => path,
        StorePlace::Database(_) => return Err(Failure::Failed(ELSEWHERE.to_owned())),
    };
    let unusable = |error: io::Error| Failure::of(format_args!("cannot make {}", args.dir.display()), &error);
    let partial = Partial::begin(&args.dir)?;
    let manifest = copy(&data_dir, &files, &partial.path).await?;
    partial.complete(&args.dir).map_err(unusable)?;
    tell(&args.dir, &manifest, &files);
    Ok(())
}

const ELSEWHERE: &str = "backup copies a data directory, and this installation is in PostgreSQL: use pg_dump for the \
                         database and versioning for the bucket";

/// A backup that is not complete.
struct Partial {
    path: PathBuf,
    lock: File,
}

impl Partial {
    /// Makes an empty folder. What an earlier try has left is removed, unless it is still being written.
    fn begin(dir: &Path) -> Outcome<Self> {
        if dir.exists() {
            return Err(Failure::Failed(format!("{} is there already: name a new folder", dir.display())));
        }
        let mut name = dir.as_os_str().to_owned();
        name.push(".partial");
        let path = PathBuf::from(name);
        let failed = |error: io::Error| Failure::of(format_args!("cannot make {}", path.display()), &error);
        private_file::folder(&path).map_err(failed)?;
        let lock = private_file::open(&path.join(LOCK)).map_err(failed)?;
        if lock.try_lock().is_err() {
            return Err(Failure::Failed(format!("another backup is being written to {}", path.display())));
        }
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?.path();
            if entry.is_dir() {
                fs::remove_dir_all(entry).map_err(failed)?;
            } else if !entry.ends_with(LOCK) {
                fs::remove_file(entry).map_err(failed)?;
            }
        }
        Ok(Self { path, lock })
    }

    fn complete(self, dir: &Path) -> io::Result<()> {
        fs::remove_file(self.path.join(LOCK))?;
        manifest::flush_folder(&self.path)?;
        fs::rename(&self.path, dir)?;
        drop(self.lock);
        dir.parent().map_or(Ok(()), manifest::flush_folder)
    }
}

async fn copy(data_dir: &Path, files: &Storage, target: &Path) -> Outcome<Manifest> {
    let now = SystemClock.now();
    let store = SqliteStore::open_shared(data_dir, SqliteOptions::new(now)).map_err(|error| {
        let attempt =
            format_args!("cannot open the database in {} (is it the right --data-dir?)", data_dir.display());
        Failure::of(attempt, &error)
    })?;
    let copied = store.backup_to(target.join(DATABASE)).await;
    store.close().await;
    copied?;
    if let Storage::Folder(folder) = files
        && folder.exists()
    {
        moving::copy_present_files(files, &Storage::Folder(target.join(FILES))).await?;
    }
    let schema = SqliteStore::schema_version(data_dir)?.found;
    Manifest::make(target, now, schema, files).map_err(|error| Failure::of(target.display(), &error))
}

fn tell(dir: &Path, manifest: &Manifest, files: &Storage) {
    output::say(format_args!(
        "{} holds the database ({}) and {} files ({}).",
        dir.display(),
        HumanBytes(manifest.database.size),
        manifest.files.count,
        HumanBytes(manifest.files.bytes)
    ));
    if let Storage::Bucket(_) = files {
        output::say(format_args!(
            "The files in {files} are not in it: the versioning of the bucket keeps them."
        ));
    }
}
