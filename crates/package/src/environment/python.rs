//! Which Python an environment is made with.
//!
//! Owns the order: the one that the model names, the `python3` that there is when it is of that version, one that
//! `uv` fetches. Another version only when somebody said that any will do, because a model that runs with the wrong
//! one may fail much later.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::EnvironmentError;
use super::tools::Tools;
use crate::child;
use crate::config::PythonVersion;

/// How long a Python may take to say its version.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The minor versions that are looked for, to say what there is.
const MINORS: std::ops::RangeInclusive<u8> = 7..=20;

const SAY_VERSION: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3])";

/// A Python to make environments with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Python {
    /// One that is installed.
    Installed {
        path: PathBuf,
        /// Such as `3.11.7`.
        version: String,
    },
    /// One that `uv` finds or fetches: the version, when one is wanted.
    Managed(Option<PythonVersion>),
}

impl Python {
    /// What to call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Installed { version, .. } => version.clone(),
            Self::Managed(Some(version)) => version.to_string(),
            Self::Managed(None) => "3".to_owned(),
        }
    }

    /// What to run, or what to ask `uv` for.
    pub(super) fn program(&self) -> PathBuf {
        match self {
            Self::Installed { path, .. } => path.clone(),
            Self::Managed(_) => self.name().into(),
        }
    }
}

pub(super) async fn choose(
    wanted: Option<PythonVersion>,
    any: bool,
    tools: &Tools,
) -> Result<Python, EnvironmentError> {
    let default = installed(tools, "python3").await;
    let Some(wanted) = wanted else {
        return default
            .or(tools.uv.as_ref().map(|_| Python::Managed(None)))
            .ok_or(EnvironmentError::NoPython);
    };
    if let Some(python) = installed(tools, &format!("python{}", wanted.without_patch())).await {
        return Ok(python);
    }
    if let Some(python) = default.clone().filter(|python| has_minor(python, wanted)) {
        return Ok(python);
    }
    if tools.uv.is_some() {
        return Ok(Python::Managed(Some(wanted)));
    }
    match default {
        Some(python) if any => Ok(python),
        None => Err(EnvironmentError::NoPython),
        Some(_) => Err(EnvironmentError::OtherPython {
            wanted: wanted.without_patch(),
            found: versions(tools).await,
        }),
    }
}

fn has_minor(python: &Python, wanted: PythonVersion) -> bool {
    let Python::Installed { version, .. } = python else { return false };
    PythonVersion::parse(version).is_some_and(|version| version.minor() == wanted.minor())
}

/// All that there are, for the error that says that none of them fits.
async fn versions(tools: &Tools) -> Vec<String> {
    let mut versions = Vec::new();
    let names = MINORS.map(|minor| format!("python3.{minor}")).chain(["python3".to_owned()]);
    for name in names {
        if let Some(Python::Installed { version, .. }) = installed(tools, &name).await
            && !versions.contains(&version)
        {
            versions.push(version);
        }
    }
    versions
}

/// A program that says that it is a Python.
async fn installed(tools: &Tools, name: &str) -> Option<Python> {
    let path = tools.program(name)?;
    let version = version(tools, &path).await?;
    Some(Python::Installed { path, version })
}

async fn version(tools: &Tools, path: &Path) -> Option<String> {
    let mut command = tools.command(path);
    command.args(["-I", "-c", SAY_VERSION]);
    let mut answer = None;
    let ended = child::run(command, ANSWER_TIMEOUT, |line| answer = Some(line.to_owned())).await.ok()?;
    answer.filter(|version| ended.is_success() && PythonVersion::parse(version).is_some())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A machine with these Pythons, and perhaps with `uv`.
    fn machine(programs: &[(&str, &str)]) -> (tempfile::TempDir, Tools) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, version) in programs {
            let path = folder.path().join(name);
            fs::write(&path, format!("#!/bin/sh\necho {version}\n")).expect("written");
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("changed");
        }
        let tools = Tools::find(folder.path().as_os_str());
        (folder, tools)
    }

    async fn chosen(programs: &[(&str, &str)], wanted: Option<&str>, any: bool) -> String {
        let (_folder, tools) = machine(programs);
        let wanted = wanted.map(|wanted| PythonVersion::parse(wanted).expect("a version"));
        match choose(wanted, any, &tools).await {
            Ok(Python::Installed { version, .. }) => version,
            Ok(Python::Managed(version)) => {
                version.map_or("any of uv".to_owned(), |version| format!("{version} of uv"))
            }
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn the_nearest_python_is_chosen() {
        let both = [("python3", "3.11.7"), ("python3.12", "3.12.1")];
        let with_uv = [("python3", "3.11.7"), ("uv", "")];
        assert_eq!(chosen(&both, None, false).await, "3.11.7");
        assert_eq!(chosen(&both, Some("3.12"), false).await, "3.12.1");
        assert_eq!(chosen(&both, Some("3.11.2"), false).await, "3.11.7", "a patch is a wish");
        assert_eq!(chosen(&with_uv, Some("3.11"), false).await, "3.11.7");
        assert_eq!(chosen(&with_uv, Some("3.12.4"), true).await, "3.12.4 of uv");
        assert_eq!(chosen(&[("uv", "")], None, false).await, "any of uv");
        assert_eq!(chosen(&both, Some("3.9"), true).await, "3.11.7");
    }

    #[tokio::test]
    async fn another_python_is_only_taken_when_any_will_do() {
        let programs = [
            ("python3", "3.11.7"),
            ("python3.12", "3.12.1"),
            ("python3.11", "3.11.7"),
            ("python3.13", "broken"),
        ];
        let refused = chosen(&programs, Some("3.9.1"), false).await;
        insta::assert_snapshot!(refused);
        let nothing = chosen(&[], Some("3.9"), true).await;
        assert_eq!(
            nothing,
            "there is no Python on this machine: install python3 with its venv module, or uv"
        );
    }
}
