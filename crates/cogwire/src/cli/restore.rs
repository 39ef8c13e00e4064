//! `cogwire restore`: makes a new data directory of a backup.

use std::path::{Path, PathBuf};

use clap::Args;
use cogwire_files::Storage;
use cogwire_store::SqliteStore;

use super::backup::manifest::{DATABASE, FILES, Manifest};
use super::failure::{Failure, Outcome};
use super::{moving, output};
use crate::config::{DataDirArgs, Environment, files_folder};

/// Makes a data directory of what `cogwire backup` wrote.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cogwire restore /backups/cogwire-2026-11-21 --data-dir /var/lib/cogwire

The data directory must not hold a database. The backup is checked from beginning to end before
anything is written. Webhooks that waited when it was made are sent by the next server, so receivers
may see some again.")]
pub(super) struct RestoreArgs {
    /// The folder that `cogwire backup` made.
    dir: PathBuf,
    #[command(flatten)]
    data: DataDirArgs,
}

/// Does what the arguments say.
pub(super) async fn run(args: RestoreArgs) -> Outcome {
    let data_dir = args.data.data_dir(&Environment::of_process())?;
    let backup = args.dir;
    SqliteStore::refuse_existing(&data_dir)?;
    let manifest = check(&backup)?;
    if manifest.files.count > 0 {
        let (from, to) = (backup.join(FILES), files_folder(&data_dir));
        moving::copy_files(&Storage::Folder(from), &Storage::Folder(to)).await?;
    }
    // Last: with the database there, everything is.
    SqliteStore::restore(&data_dir, &backup.join(DATABASE))?;
    tell(&data_dir, &manifest);
    Ok(())
}

fn check(backup: &Path) -> Outcome<Manifest> {
    let manifest = Manifest::check(backup).map_err(|error| Failure::of(backup.display(), &error))?;
    SqliteStore::check_copy(&backup.join(DATABASE)).map_err(|error| Failure::of(backup.display(), &error))?;
    Ok(manifest)
}

fn tell(data_dir: &Path, manifest: &Manifest) {
    let files = &manifest.files;
    output::say(format_args!(
        "{} is as the installation was at {}, with {} files.",
        data_dir.display(),
        manifest.created_at,
        files.count
    ));
    if files.storage.starts_with("s3://") {
        output::say(format_args!("Its other files are in {}: start with --storage-url.", files.storage));
    }
}
