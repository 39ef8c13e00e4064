//! Python environments for models, made once for each set of requirements.
//!
//! Owns what makes two environments the same one (the key), which tools make them (`uv` where there is one, else
//! `venv` and `pip`), and that a half-made one is never used: an environment cannot be moved to its place when it
//! is done, because its scripts hold absolute paths, so a marker is written last, and a lock keeps others out until
//! then. Several tasks and processes may ask for the same one at once.

mod error;
mod installer;
mod key;
mod marker;
mod output;
mod python;
mod requirements;
mod tools;

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::EnvironmentError;

use crate::config::CogConfig;
use installer::Installer;
use marker::Marker;
use requirements::Resolved;
use tools::Tools;

/// How often somebody looks whether another one has finished the same environment.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long an installation may take, unless a request says otherwise.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The environments in one folder.
#[derive(Debug, Clone)]
pub struct Environments {
    root: PathBuf,
    search_path: OsString,
}

/// What a model needs.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The model's `cog.yaml`.
    pub config: &'a CogConfig,
    /// The model's folder, which may have files with requirements.
    pub folder: &'a Path,
    /// The version of Cog, when somebody chose one; it wins over `build.sdk_version`, and the requirements win over
    /// both.
    pub cog: Option<&'a str>,
    /// Whether another Python than `cog.yaml` names will do when that one is not there.
    pub any_python: bool,
    /// How long the installation may take.
    pub timeout: Duration,
}

/// An environment that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The folder with its programs. It must be the first on a model's `PATH`.
    pub bin: PathBuf,
    /// Its Python.
    pub python: PathBuf,
    /// The version of that Python.
    pub python_version: String,
    /// The version of Cog in it.
    pub cog_version: String,
    /// The version of coglet in it, whose protocol a worker speaks; Cog up to 0.16 has none, and is another server.
    pub coglet_version: Option<String>,
    /// Names it: 64 hexadecimal digits.
    pub key: String,
}

/// What happens while an environment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Somebody else is making the same one.
    Waiting,
    /// It is begun, with this Python.
    Creating {
        /// The version, or the one that `uv` is to fetch.
        python: &'a str,
    },
    /// The packages are installed.
    Installing {
        /// `uv` or `pip`.
        with: &'static str,
    },
    /// A line that a tool wrote.
    Output(&'a str),
}

impl<'a> Request<'a> {
    /// What this model needs, with the Python that it names and the Cog that it names, if it does.
    pub fn new(config: &'a CogConfig, folder: &'a Path) -> Self {
        Self { config, folder, cog: None, any_python: false, timeout: INSTALL_TIMEOUT }
    }

    fn cog_version(&self) -> Option<&str> {
        self.cog.or(self.config.cog_version.as_deref())
    }
}

impl Environments {
    /// Environments in this folder, which is made when it is needed. `search_path` is a `PATH`: where Python and
    /// `uv` are looked for.
    pub fn new(root: PathBuf, search_path: OsString) -> Self {
        // Tools run in other folders.
        let root = std::path::absolute(&root).unwrap_or(root);
        Self { root, search_path }
    }

    /// Gives the environment for a model, and makes it if it is not there. Dropping the future stops whatever it
    /// runs; what is half made is made again the next time.
    ///
    /// # Errors
    /// When there is no Python that fits, when a requirement cannot be installed in time, and when the disk refuses.
    pub async fn prepare(
        &self,
        request: &Request<'_>,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Environment, EnvironmentError> {
        let tools = Tools::find(&self.search_path);
        let python = python::choose(request.config.python_version, request.any_python, &tools).await?;
        let resolved = Resolved::read(request.folder, &request.config.requirements).await?;
        let cog = resolved.cog_requirement(request.cog_version());
        let key = key::of(&python, resolved.lines(), cog.as_deref());
        if let Some(environment) = self.find(&key) {
            return Ok(environment);
        }
        let lock = self.lock(&key, progress).await?;
        if let Some(environment) = self.find(&key) {
            return Ok(environment);
        }
        let folder = self.root.join(&key);
        remove(&folder).await?;
        let mut installer =
            Installer { tools: &tools, folder: &folder, lock: &lock, timeout: request.timeout, progress };
        installer.create(&python).await?;
        installer.install(&resolved, cog.as_deref()).await?;
        let marker = installer.versions().await?;
        marker.write(&folder).await?;
        if request.cog_version().is_none() {
            let pinned = resolved.cog_requirement(Some(&marker.cog));
            self.name_again(&key, &key::of(&python, resolved.lines(), pinned.as_deref()))?;
        }
        Ok(marker.environment(&folder, key))
    }

    /// An environment that is complete, under its key or under the one that it was made with.
    fn find(&self, key: &str) -> Option<Environment> {
        let folder = self.root.join(key);
        let folder = std::fs::read_link(&folder).map_or(folder, |target| self.root.join(target));
        Marker::read(&folder).map(|marker| marker.environment(&folder, key.to_owned()))
    }

    /// Lets an environment be found under another key, too. Whoever asked for the newest Cog asks for that version from then
    /// on, and must not wait for the same packages once more.
    fn name_again(&self, key: &str, other: &str) -> Result<(), EnvironmentError> {
        let path = self.root.join(other);
        match std::os::unix::fs::symlink(key, &path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(EnvironmentError::Folder { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Waits until nobody else makes this environment. The lock ends with the last copy of the file: with this process,
    /// and with the tools that it runs.
    async fn lock(
        &self,
        key: &str,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<File, EnvironmentError> {
        let path = self.root.join(format!("{key}.lock"));
        let refused = |source| EnvironmentError::Folder { path: path.clone(), source };
        let open = || {
            std::fs::create_dir_all(&self.root)?;
            File::options().create(true).read(true).append(true).open(&path)
        };
        let file = open().map_err(refused)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(refused(source)),
                Err(TryLockError::WouldBlock) if told => tokio::time::sleep(LOOK_AGAIN).await,
                Err(TryLockError::WouldBlock) => progress(Progress::Waiting),
            }
            told = true;
        }
    }
}

/// Removes what somebody who was stopped left behind.
async fn remove(folder: &Path) -> Result<(), EnvironmentError> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(EnvironmentError::Folder { path: folder.to_owned(), source })
        }
        _ => Ok(()),
    }
}
