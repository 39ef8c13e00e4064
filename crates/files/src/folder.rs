//! The folder of the local backend: makes it, and keeps it across a crash.

use std::fs::{DirBuilder, File};
use std::io;
use std::path::Path;

/// Makes the folder and its parents where they are missing, for this user only.
/// The permissions of a folder that exists already are its owner's decision and stay.
pub(crate) fn prepare(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let missing: Vec<&Path> = folder.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    builder().create(&folder)?;
    for created in missing {
        created.parent().map_or(Ok(()), sync_folder)?;
    }
    Ok(())
}

#[cfg(unix)]
fn builder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;

    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

#[cfg(not(unix))]
fn builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    builder
}

/// Makes the entries of a folder durable. Only Unix can open a folder to sync it.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_folders_are_made_and_left_empty() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let folder = parent.path().join("data/files");
        prepare(&folder).expect("made");
        prepare(&folder).expect("made before");
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_folder_is_private_and_an_old_one_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;

        let parent = tempfile::tempdir().expect("a temporary folder");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let folder = parent.path().join("files");
        prepare(&folder).expect("made");
        assert_eq!(mode(&folder), 0o700);

        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o750)).expect("changed");
        prepare(&folder).expect("made before");
        assert_eq!(mode(&folder), 0o750);
    }
}
