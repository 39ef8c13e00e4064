//! The part `build` of a `cog.yaml`, and what of it does nothing here.

use super::error::ConfigError;
use super::reference::is_inside;
use super::table::{Field, Table};
use super::{NamedFile, PythonVersion, Requirements};

const KEYS: [&str; 14] = [
    "cog_runtime",
    "cuda",
    "cudnn",
    "environment",
    "fast",
    "gpu",
    "pre_install",
    "python_overrides",
    "python_packages",
    "python_requirements",
    "python_version",
    "run",
    "sdk_version",
    "system_packages",
];

/// What `build` says about the environment.
#[derive(Debug, Default)]
pub(super) struct Build {
    pub(super) python_version: Option<PythonVersion>,
    pub(super) requirements: Requirements,
    pub(super) cog_version: Option<String>,
    pub(super) file: Option<NamedFile>,
    pub(super) ignored: Vec<String>,
}

impl Build {
    pub(super) fn read(field: &Field<'_>) -> Result<Self, ConfigError> {
        let table = field.table(&KEYS)?;
        table.exclude("python_packages", "python_requirements")?;
        let (requirements, file) = requirements(&table)?;
        Ok(Self {
            python_version: table.get("python_version").map(|field| python_version(&field)).transpose()?,
            requirements,
            cog_version: table.get("sdk_version").map(|field| cog_version(&field)).transpose()?,
            file,
            ignored: ignored(&table)?,
        })
    }
}

fn python_version(field: &Field<'_>) -> Result<PythonVersion, ConfigError> {
    let text = field.version()?;
    let must = || field.invalid(format!("be a version such as \"3.11\", not {text:?}"));
    PythonVersion::parse(text).ok_or_else(must)
}

/// The version becomes a part of what an installer is asked for.
fn cog_version(field: &Field<'_>) -> Result<String, ConfigError> {
    let text = field.version()?;
    let plausible = text.starts_with(|first: char| first.is_ascii_digit())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || ".+!-".contains(letter));
    let must = || field.invalid(format!("be a version of Cog such as \"0.18.0\", not {text:?}"));
    if plausible { Ok(text.to_owned()) } else { Err(must()) }
}

fn requirements(table: &Table<'_>) -> Result<(Requirements, Option<NamedFile>), ConfigError> {
    if let Some(field) = table.get("python_requirements") {
        let path = field.text()?.to_owned();
        if !is_inside(&path) {
            return Err(field.invalid("name a file in this folder, by a relative path without `..`"));
        }
        let file = NamedFile { key: "build.python_requirements", path: path.clone(), line: field.line() };
        return Ok((Requirements::File(path), Some(file)));
    }
    let packages = table.get("python_packages").map(|field| field.texts()).transpose()?.unwrap_or_default();
    Ok((Requirements::Packages(packages.into_iter().map(str::to_owned).collect()), None))
}

/// A sentence for each key that cannot be honoured. What only concerns Docker images needs none.
fn ignored(table: &Table<'_>) -> Result<Vec<String>, ConfigError> {
    let mut sentences = Vec::new();
    if let Some(packages) = list(table, "system_packages")? {
        let names = packages.texts()?.join(", ");
        sentences.push(format!(
            "build.system_packages are not installed: see that this machine has {names}, if the model needs them"
        ));
    }
    for key in ["pre_install", "run"] {
        if list(table, key)?.is_some() {
            sentences.push(format!(
                "the commands of build.{key} are not run: do on this machine what they do, if the model needs it"
            ));
        }
    }
    for key in ["cuda", "cudnn"] {
        if table.get(key).map(|field| field.version()).transpose()?.is_some() {
            sentences.push(format!("build.{key} is not installed: the model finds what this machine has"));
        }
    }
    if table.get("gpu").map(|field| field.boolean()).transpose()? == Some(true) {
        sentences.push(
            "build.gpu sets nothing up: the model finds the GPUs and drivers of this machine".to_owned(),
        );
    }
    if table.get("python_overrides").map(|field| field.text()).transpose()?.is_some() {
        sentences.push("build.python_overrides is ignored: pin the versions in the requirements".to_owned());
    }
    if list(table, "environment")?.is_some() {
        sentences.push(
            "build.environment is ignored: use environment, which the model sees when it runs".to_owned(),
        );
    }
    Ok(sentences)
}

/// The list of a key, unless it is empty.
fn list<'a>(table: &Table<'a>, key: &'static str) -> Result<Option<Field<'a>>, ConfigError> {
    match table.get(key) {
        Some(field) if field.items()?.is_empty() => Ok(None),
        field => Ok(field),
    }
}
