//! The programs that this machine has.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cogwire_core::variables::is_secret;
use tokio::process::Command;

/// What would make a Python another one than it is, or have packages installed elsewhere.
const MISLEADING: [&str; 7] =
    ["PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"];

/// Where programs are found.
#[derive(Debug)]
pub(super) struct Tools {
    search_path: OsString,
    pub(super) uv: Option<PathBuf>,
}

impl Tools {
    pub(super) fn find(search_path: &OsStr) -> Self {
        let tools = Self { search_path: search_path.to_owned(), uv: None };
        Self { uv: tools.program("uv"), ..tools }
    }

    /// The first program of this name.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.search_path).map(|folder| folder.join(name)).find(|path| is_program(path))
    }

    /// A command that sees this machine's settings (proxies, certificates, package indexes) and none of the
    /// server's secrets.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.search_path).env("PYTHONUNBUFFERED", "1").stdin(Stdio::null());
        // A requirement may be a repository, and nobody is there to type its password.
        command.env("GIT_TERMINAL_PROMPT", "0");
        for (name, _) in std::env::vars_os() {
            if is_withheld(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn is_withheld(name: &str) -> bool {
    is_secret(name) || MISLEADING.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_withheld_and_settings_are_not() {
        for name in ["COGWIRE_API_TOKEN", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "PYTHONPATH"] {
            assert!(is_withheld(name), "{name}");
        }
        for name in ["HOME", "HTTPS_PROXY", "PIP_INDEX_URL", "UV_INDEX_URL", "SSL_CERT_FILE"] {
            assert!(!is_withheld(name), "{name}");
        }
    }

    #[test]
    fn only_what_can_be_executed_is_a_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("uv");
        std::fs::write(&path, "").expect("written");
        assert_eq!(Tools::find(folder.path().as_os_str()).uv, None);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("changed");
        assert_eq!(Tools::find(folder.path().as_os_str()).uv, Some(path));
    }
}
