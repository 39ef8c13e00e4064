//! Folders that only this user can look into.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The longest path of a folder in which sockets still fit: those of Python's `multiprocessing` are made below it,
/// and the path of a socket has at most 107 bytes, on some systems 103.
const MAX_FOR_SOCKETS: usize = 40;

/// A new folder in `parent`, which goes with the value.
///
/// # Errors
/// When it cannot be made.
pub(in crate::runtime) fn folder(parent: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("")
        .rand_bytes(8)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
}

/// `parent`, or the system's folder for what is temporary when its path is too long for sockets.
pub(in crate::runtime) fn short(parent: &Path) -> PathBuf {
    if parent.as_os_str().len() <= MAX_FOR_SOCKETS { parent.to_owned() } else { std::env::temp_dir() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_looks_in() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = folder(parent.path()).expect("a folder");
        let mode = folder.path().metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn long_paths_are_avoided() {
        assert_eq!(short(Path::new("/var/lib/cogwire/work")), Path::new("/var/lib/cogwire/work"));
        assert_eq!(short(Path::new(&"/long".repeat(20))), std::env::temp_dir());
    }
}
