//! Why there is no environment, in words for who adds a model.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// An environment was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// No Python fits.
    #[error(
        "cog.yaml wants Python {wanted} (build.python_version), and this machine has {}: install python{wanted} or uv, \
         or accept another version with any_python (--any-python)",
        list(found)
    )]
    OtherPython {
        /// The minor version that the model wants.
        wanted: String,
        /// The versions that are there.
        found: Vec<String>,
    },
    /// There is no Python at all.
    #[error("there is no Python on this machine: install python3 with its venv module, or uv")]
    NoPython,
    /// A file with requirements cannot be read.
    #[error("cannot read {}, which the model's requirements name", path.display())]
    Requirements {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line of the requirements cannot be honoured.
    #[error("{}: {line:?} {what}", path.display())]
    Requirement {
        /// The file, or `cog.yaml`.
        path: PathBuf,
        /// The line.
        line: String,
        /// What is wrong with it, and what to do.
        what: &'static str,
    },
    /// The environment could not be begun.
    #[error("a virtual environment could not be made with Python {python}:\n{output}")]
    Create {
        /// The Python.
        python: String,
        /// The last lines that the tool wrote.
        output: String,
    },
    /// The packages could not be installed.
    #[error(
        "{tool} could not install the packages that the model needs{}: correct python_packages or the file of \
         python_requirements in cog.yaml\n{output}",
        culprit(package.as_deref())
    )]
    Install {
        /// `uv` or `pip`.
        tool: &'static str,
        /// The package that it failed for, when the output says so.
        package: Option<String>,
        /// The last lines that the tool wrote.
        output: String,
    },
    /// A tool took too long.
    #[error("{tool} did not end within {} s and was stopped: try again; what it has fetched may be kept\n{output}", timeout.as_secs())]
    Deadline {
        /// Which tool.
        tool: &'static str,
        /// How long it had.
        timeout: Duration,
        /// The last lines that it wrote.
        output: String,
    },
    /// A tool could not be started.
    #[error("cannot run {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The environment is there but does not work.
    #[error("the environment in {} does not work: remove that folder and try again\n{output}", folder.display())]
    Broken {
        /// Where it is.
        folder: PathBuf,
        /// The last lines that its Python wrote.
        output: String,
    },
    /// The folder for environments cannot be used.
    #[error("cannot use {} for environments: see that there is space, and that this user may write there", path.display())]
    Folder {
        /// The folder, or a file in it.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn list(found: &[String]) -> String {
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

fn culprit(package: Option<&str>) -> String {
    package.map(|package| format!(" ({package})")).unwrap_or_default()
}
