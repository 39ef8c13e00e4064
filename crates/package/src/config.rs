//! `cog.yaml`: what a model's author says about it.
//!
//! Owns which keys there are, what they mean here, and which of them do nothing here. Everything that Cog itself
//! would refuse is an error with its line, so that nobody wonders later why a key had no effect. Knows nothing of
//! how the environment is made.

mod build;
mod error;
mod python_version;
mod reference;
mod table;
#[cfg(test)]
mod tests;
mod yaml;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub use error::{ConfigError, Problem};
pub use python_version::PythonVersion;
pub use reference::Reference;

use build::Build;
use table::{Field, Table};

/// The name of the file.
pub(crate) const FILE_NAME: &str = "cog.yaml";

/// The longest file that is read, in bytes.
const MAX_LENGTH: usize = 1024 * 1024;

const KEYS: [&str; 11] = [
    "build",
    "concurrency",
    "environment",
    "image",
    "model",
    "observability",
    "predict",
    "run",
    "tests",
    "train",
    "weights",
];

/// Variables that the environment itself is made of. Cog refuses them, too.
const RESERVED: [&str; 5] = ["LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "VIRTUAL_ENV"];

/// What a `cog.yaml` says, as far as it is honoured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CogConfig {
    /// What is run for a prediction: the key `run`, or `predict`, its older name.
    pub run: Reference,
    /// What is run for a training, if the model can be trained.
    pub train: Option<Reference>,
    /// The Python that it wants.
    pub python_version: Option<PythonVersion>,
    /// The packages that it needs.
    pub requirements: Requirements,
    /// The version of Cog that it wants (`build.sdk_version`).
    pub cog_version: Option<String>,
    /// How many predictions it can run at once, when the file says so; its code may say it, too.
    pub concurrency: Option<u32>,
    /// Variables that it sees, in their order.
    pub environment: Vec<(String, String)>,
    ignored: Vec<String>,
}

/// Python packages that a model needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirements {
    /// Lines as in a file for pip.
    Packages(Vec<String>),
    /// A file for pip, relative to the folder.
    File(String),
}

/// A file that must be in the folder.
#[derive(Debug)]
struct NamedFile {
    key: &'static str,
    path: String,
    line: usize,
}

impl CogConfig {
    /// Reads the `cog.yaml` of a folder, and looks whether the files that it names are there. Blocks.
    ///
    /// # Errors
    /// When there is no such file, when it is wrong, or when it names a file that is not in the folder.
    pub fn read(folder: &Path) -> Result<Self, ConfigError> {
        let (config, files) = parse(&read_text(folder)?)?;
        let missing = files.into_iter().find(|file| !folder.join(&file.path).is_file());
        match missing {
            None => Ok(config),
            Some(NamedFile { key, path, line }) => {
                Err(table::error(FILE_NAME, line, Problem::NoFile { key, path }))
            }
        }
    }

    /// Reads the text of a `cog.yaml`. Looks at no file.
    ///
    /// # Errors
    /// When the text is not what Cog would take.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        parse(text).map(|(config, _)| config)
    }

    /// What of the file cannot be honoured: a sentence each, to be shown to who adds the model.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

impl Default for Requirements {
    fn default() -> Self {
        Self::Packages(Vec::new())
    }
}

fn read_text(folder: &Path) -> Result<String, ConfigError> {
    let path = folder.join(FILE_NAME);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_LENGTH as u64 + 1).read_to_string(&mut text));
    match read {
        Ok(length) if length > MAX_LENGTH => Err(table::error(FILE_NAME, 1, Problem::TooLong(MAX_LENGTH))),
        Ok(_) => Ok(text),
        Err(_) if !folder.is_dir() => Err(ConfigError::NoFolder(folder.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ConfigError::Missing(folder.to_owned())),
        Err(source) => Err(ConfigError::Unreadable { path, source }),
    }
}

fn parse(text: &str) -> Result<(CogConfig, Vec<NamedFile>), ConfigError> {
    let document = yaml::parse(text).map_err(|fault| table::fault(FILE_NAME, fault))?;
    let top = Table::top(FILE_NAME, &document, &KEYS)?;
    top.exclude("run", "predict")?;
    let build = top.get("build").map(|field| Build::read(&field)).transpose()?.unwrap_or_default();
    let (run, run_file) = reference(&top, "run")?
        .or(reference(&top, "predict")?)
        .ok_or_else(|| table::error(FILE_NAME, document.line, Problem::NothingToRun))?;
    let (train, train_file) = reference(&top, "train")?.unzip();
    let environment = top.get("environment").map(|field| variables(&field)).transpose()?.unwrap_or_default();
    let mut ignored = build.ignored;
    ignored.extend(ignored_at_top(&top, &environment)?);
    let config = CogConfig {
        run,
        train,
        python_version: build.python_version,
        requirements: build.requirements,
        cog_version: build.cog_version,
        concurrency: top.get("concurrency").map(|field| concurrency(&field)).transpose()?,
        environment,
        ignored,
    };
    Ok((config, [Some(run_file), train_file, build.file].into_iter().flatten().collect()))
}

fn reference(top: &Table<'_>, key: &'static str) -> Result<Option<(Reference, NamedFile)>, ConfigError> {
    let Some(field) = top.get(key) else { return Ok(None) };
    let reference = Reference::parse(field.text()?).map_err(|must| field.invalid(must))?;
    let file = NamedFile { key, path: reference.file().to_owned(), line: field.line() };
    Ok(Some((reference, file)))
}

fn concurrency(field: &Field<'_>) -> Result<u32, ConfigError> {
    let table = field.table(&["default_target", "max"])?;
    let max = table.get("max").ok_or_else(|| field.invalid("have a `max`"))?;
    max.count()
}

fn variables(field: &Field<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for item in field.items()? {
        let text = item.text()?;
        let (name, value) = text
            .split_once('=')
            .filter(|(name, value)| !name.is_empty() && !text_has_nul(name) && !text_has_nul(value))
            .ok_or_else(|| item.invalid(format!("be NAME=VALUE, not {text:?}")))?;
        if RESERVED.contains(&name) {
            return Err(item.invalid(format!("not set {name}, which the environment sets itself")));
        }
        if variables.iter().any(|(known, _)| known == name) {
            return Err(item.invalid(format!("not set {name} a second time")));
        }
        variables.push((name.to_owned(), value.to_owned()));
    }
    Ok(variables)
}

/// The operating system ends a variable there.
fn text_has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// As for `build`: what only concerns Docker images needs no sentence.
fn ignored_at_top(top: &Table<'_>, environment: &[(String, String)]) -> Result<Vec<String>, ConfigError> {
    let mut sentences = Vec::new();
    if top.get("weights").is_some() {
        sentences
            .push("weights are not fetched: put them into the folder, or fetch them in setup()".to_owned());
    }
    if top.get("observability").is_some() {
        sentences.push("observability is ignored: the model writes no traces".to_owned());
    }
    if let Some((name, _)) = environment.iter().find(|(_, value)| value.contains('$')) {
        sentences.push(format!("variables are not replaced in environment: {name} keeps its `$`"));
    }
    for key in ["image", "model"] {
        top.get(key).map(|field| field.text()).transpose()?;
    }
    Ok(sentences)
}
