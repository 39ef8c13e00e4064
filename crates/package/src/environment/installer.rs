//! Makes an environment with the tools that there are.
//!
//! Owns the command lines. `uv` is preferred where it is: it is an order of magnitude faster, and it fetches a
//! Python.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::Progress;
use super::error::EnvironmentError;
use super::marker::{Marker, python_in};
use super::output::Output;
use super::python::Python;
use super::requirements::{Resolved, Source, write_lines};
use super::tools::Tools;
use crate::child::{self, Ended};

/// How long an environment's Python may take to say what it has.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Ends the line that is the answer: other code may print when a Python starts.
const ANSWER: &str = "cogwire:";

/// Prints a [`Marker`].
const SAY_VERSIONS: &str = "
import importlib.metadata, json, sys
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
print('cogwire:' + json.dumps({
    'python': '%d.%d.%d' % sys.version_info[:3], 'cog': version('cog'), 'coglet': version('coglet')}))
";

/// Fills one folder.
pub(super) struct Installer<'a> {
    pub(super) tools: &'a Tools,
    pub(super) folder: &'a Path,
    /// Keeps others out of the folder.
    pub(super) lock: &'a File,
    pub(super) timeout: Duration,
    pub(super) progress: &'a mut (dyn FnMut(Progress<'_>) + Send),
}

impl Installer<'_> {
    /// Makes an environment without packages.
    pub(super) async fn create(&mut self, python: &Python) -> Result<(), EnvironmentError> {
        let name = python.name();
        (self.progress)(Progress::Creating { python: &name });
        let (program, command) = self.create_command(python);
        let (ended, output) = self.run(program, command).await?;
        let output = output.tail.into_text();
        match ended {
            Ended::Deadline => {
                Err(EnvironmentError::Deadline { tool: self.tool(), timeout: self.timeout, output })
            }
            _ if ended.is_success() => Ok(()),
            _ => Err(EnvironmentError::Create { python: name, output }),
        }
    }

    /// Installs what the model needs, Cog included.
    pub(super) async fn install(
        &mut self,
        resolved: &Resolved,
        cog: Option<&str>,
    ) -> Result<(), EnvironmentError> {
        let tool = self.tool();
        (self.progress)(Progress::Installing { with: tool });
        let (file, folder) = match resolved.source() {
            Source::File(path) => (path.clone(), path.parent().unwrap_or(Path::new("."))),
            Source::Lines { text, folder } => (write_lines(self.folder, text)?, folder.as_path()),
        };
        let (program, mut command) = self.install_command();
        command.arg("-r").arg(std::path::absolute(&file).unwrap_or(file)).args(cog).current_dir(folder);
        let (ended, Output { tail, package, .. }) = self.run(program, command).await?;
        let output = tail.into_text();
        match ended {
            Ended::Deadline => Err(EnvironmentError::Deadline { tool, timeout: self.timeout, output }),
            _ if ended.is_success() => Ok(()),
            _ => Err(EnvironmentError::Install { tool, package, output }),
        }
    }

    /// What the environment has.
    pub(super) async fn versions(&mut self) -> Result<Marker, EnvironmentError> {
        let program = python_in(self.folder);
        let mut command = self.tools.command(&program);
        command.args(["-I", "-c", SAY_VERSIONS]);
        let mut output = Output::default();
        let mut answer = None;
        let ended = child::run(command, ANSWER_TIMEOUT, |line| {
            output.push(line);
            answer = line.strip_prefix(ANSWER).map(str::to_owned).or(answer.take());
        });
        let ended = ended.await.map_err(|source| EnvironmentError::Start { program, source })?;
        let answer = answer.filter(|_| ended.is_success());
        let marker = answer.and_then(|answer| serde_json::from_str(&answer).ok());
        let marker = marker.map(|marker| Marker { folder: self.folder.to_owned(), ..marker });
        marker.ok_or_else(|| EnvironmentError::Broken {
            folder: self.folder.to_owned(),
            output: output.tail.into_text(),
        })
    }

    fn tool(&self) -> &'static str {
        if self.tools.uv.is_some() { "uv" } else { "pip" }
    }

    fn create_command(&self, python: &Python) -> (PathBuf, Command) {
        let python = python.program();
        let (program, arguments): (_, &[&str]) = match &self.tools.uv {
            Some(uv) => (uv.clone(), &["venv", "--no-project", "--python"]),
            None => (python.clone(), &["-m", "venv"]),
        };
        let mut command = self.tools.command(&program);
        command.args(arguments);
        if self.tools.uv.is_some() {
            command.arg(python);
        }
        command.arg(self.folder);
        (program, command)
    }

    fn install_command(&self) -> (PathBuf, Command) {
        let python = python_in(self.folder);
        match &self.tools.uv {
            Some(uv) => {
                let mut command = self.tools.command(uv);
                command.args(["pip", "install", "--no-progress", "--python"]).arg(python);
                (uv.clone(), command)
            }
            None => {
                let mut command = self.tools.command(&python);
                command.args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check"]);
                command.args(["--progress-bar", "off"]);
                (python, command)
            }
        }
    }

    /// The tool holds the lock as well: when this process is killed, the tool goes on, and must not be joined by
    /// another one.
    async fn run(
        &mut self,
        program: PathBuf,
        mut command: Command,
    ) -> Result<(Ended, Output), EnvironmentError> {
        let lock = self.lock.try_clone();
        command
            .stdin(lock.map_err(|source| EnvironmentError::Folder { path: self.folder.to_owned(), source })?);
        let mut output = Output::default();
        let ended = child::run(command, self.timeout, |line| {
            output.push(line);
            (self.progress)(Progress::Output(line));
        });
        let ended = ended.await.map_err(|source| EnvironmentError::Start { program, source })?;
        Ok((ended, output))
    }
}
