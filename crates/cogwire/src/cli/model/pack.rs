//! Packs a folder into a temporary file, to be sent.

use std::path::Path;

use cogwire_package::{CogConfig, Packed, pack};
use tempfile::NamedTempFile;

use crate::cli::failure::{Failure, Outcome};

/// A folder, packed.
pub(super) struct Package {
    pub(super) file: NamedTempFile,
    pub(super) packed: Packed,
}

/// Packs a folder. What is wrong with its `cog.yaml` is said before anything is sent.
pub(super) async fn folder(folder: &Path) -> Outcome<Package> {
    let folder = folder.to_owned();
    let packed = tokio::task::spawn_blocking(move || blocking(&folder)).await;
    packed.map_err(|error| Failure::of("the model could not be packed", &error))?
}

fn blocking(folder: &Path) -> Outcome<Package> {
    let unusable = |error: &dyn std::error::Error| {
        Failure::of(format_args!("{} cannot be added", folder.display()), error)
    };
    CogConfig::read(folder).map_err(|error| unusable(&error))?;
    let mut file = NamedTempFile::new().map_err(|error| unusable(&error))?;
    let packed = pack(folder, file.as_file_mut()).map_err(|error| unusable(&error))?;
    Ok(Package { file, packed })
}
