//! From a recipe to something that the runner can run.
//!
//! Packages are unpacked once for each digest, to `models/{digest}`; weights are kept as `weights/{digest}`; environments are
//! shared by all packages with the same requirements. All of it can be made again from the storage, so a node may lose it.

use std::io;
use std::path::{Path, PathBuf};

use cogwire_core::model::Version;
use cogwire_core::recipe::{Digest, Recipe};
use cogwire_package::{
    self as package, CogConfig, ConfigError, Environment, EnvironmentError, InspectError, Inspection, Manner,
    Progress, UnpackError,
};
use cogwire_runner::{CatalogueEntry, CogModel, CogServerError, RunnableModel};
use futures_util::TryStreamExt;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{Tell, Workshop};

/// Why a version does not run on this node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unprepared {
    /// It names a part that nobody has any more.
    #[error("the part {0} of the model is not in the storage: add the model again")]
    Missing(Digest),
    /// It came with other bytes.
    #[error("the part {0} of the model is damaged in the storage: add the model again")]
    Damaged(Digest),
    #[error(transparent)]
    Files(#[from] cogwire_files::Error),
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// Whoever sent it knows nothing of where it was unpacked.
    #[error("the package has no cog.yaml at its top: send the folder that holds it")]
    NoConfig,
    #[error(transparent)]
    Config(ConfigError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error(transparent)]
    Server(#[from] CogServerError),
    #[error(
        "the folder of the models cannot be used: see that there is space, and that this user may write there"
    )]
    Disk(#[from] io::Error),
    #[error("the version says nothing about what it is made of")]
    NoRecipe,
    #[error(
        "the model could not be prepared because of a fault in Cogwire: please report what the server's log says"
    )]
    Fault(#[source] tokio::task::JoinError),
}

/// A package that is unpacked and has its environment.
pub(crate) struct Unpacked {
    pub(crate) folder: PathBuf,
    pub(crate) config: CogConfig,
    pub(crate) environment: Environment,
}

impl From<ConfigError> for Unprepared {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Missing(_) => Self::NoConfig,
            error => Self::Config(error),
        }
    }
}

impl Unpacked {
    /// Why its training cannot be had, in a sentence; nothing when it can, or when there is none.
    pub(crate) fn untrainable(&self) -> Option<String> {
        let Environment { cog_version, coglet_version, .. } = &self.environment;
        let is_lost = self.config.train.is_some() && coglet_version.is_none();
        is_lost
            .then(|| format!("train is ignored: Cog {cog_version} cannot train here, use Cog 0.17 or newer"))
    }

    /// What the model says about itself. `passed_on` names variables of this program that it sees.
    pub(crate) async fn inspect(&self, passed_on: &[String]) -> Result<Inspection, Unprepared> {
        let Self { folder, config, environment } = self;
        Ok(Box::pin(package::inspect(environment, folder, config, passed_on)).await?)
    }
}

impl Workshop {
    /// Prepares a version that is registered, here or elsewhere.
    pub(crate) async fn prepare(&self, version: &Version, tell: &Tell) -> Result<RunnableModel, Unprepared> {
        match version.recipe.as_ref().ok_or(Unprepared::NoRecipe)? {
            Recipe::Server { url, slots } => self.server(version, url, *slots),
            Recipe::Package { package, weights } => {
                let _place = self.place().await;
                let folder = self.fetch_package(package).await?;
                let weights = match weights {
                    Some(weights) => Some(self.fetch_weights(weights).await?),
                    None => None,
                };
                let unpacked = self.set_up(folder, Some(&version.cog_version), tell).await?;
                let Unpacked { folder, config, environment } = &unpacked;
                let passed_on = &self.config.process.passed_on;
                let manner = package::how_it_runs(environment, folder, config, passed_on).await?;
                Ok(self.process(version, unpacked, &manner, weights))
            }
        }
    }

    fn process(
        &self,
        version: &Version,
        unpacked: Unpacked,
        manner: &Manner,
        weights: Option<PathBuf>,
    ) -> RunnableModel {
        let Unpacked { folder, config, environment } = unpacked;
        let model = CogModel {
            folder,
            bin: environment.bin,
            variables: config.environment,
            predictor: config.run.to_string(),
            train: config.train.map(|train| train.to_string()),
            is_async: manner.is_async,
            slots: if manner.is_async { manner.concurrency.max(1) as usize } else { 1 },
            cog_version: environment.cog_version,
            weights,
            schema: version.openapi_schema.clone(),
        };
        let scale = (self.config.scale)(&version.model);
        let (process, surroundings) = (self.config.process.clone(), self.config.surroundings.clone());
        RunnableModel::cog_model(entry_of(version), model, scale, process, surroundings)
    }

    /// Reads what a folder asks for, and makes its environment. The version of Cog is the one that the model was added with.
    pub(crate) async fn set_up(
        &self,
        folder: PathBuf,
        cog: Option<&str>,
        tell: &Tell,
    ) -> Result<Unpacked, Unprepared> {
        let config = {
            let folder = folder.clone();
            blocking(move || CogConfig::read(&folder)).await?
        };
        let request = package::Request {
            cog,
            any_python: self.config.any_python,
            ..package::Request::new(&config, &folder)
        };
        // On the heap: it is large, and everybody who waits for it would be.
        let mut told = |progress: Progress<'_>| say(tell, progress);
        let environment = Box::pin(self.environments.prepare(&request, &mut told)).await?;
        Ok(Unpacked { folder, config, environment })
    }

    /// Unpacks what was received. What is there already stays.
    pub(crate) async fn take_package(&self, digest: &Digest, tar: &Path) -> Result<PathBuf, Unprepared> {
        let tar = tar.to_owned();
        self.unpack(digest, move || Ok(io::BufReader::new(std::fs::File::open(tar)?))).await
    }

    async fn fetch_package(&self, digest: &Digest) -> Result<PathBuf, Unprepared> {
        let folder = self.package_folder(digest);
        if tokio::fs::try_exists(&folder).await? {
            return Ok(folder);
        }
        let pieces = self.files.part(digest).await?.ok_or_else(|| Unprepared::Missing(digest.clone()))?;
        let reader = StreamReader::new(pieces.map_err(io::Error::other));
        // Made here, because it takes hold of the runtime that it waits in.
        let bridge = SyncIoBridge::new(Box::pin(reader));
        self.unpack(digest, move || Ok(bridge)).await
    }

    async fn unpack<R: io::Read>(
        &self,
        digest: &Digest,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> Result<PathBuf, Unprepared> {
        let (folder, digest, limits) = (self.package_folder(digest), digest.clone(), self.config.limits);
        blocking(move || {
            if !folder.exists() {
                package::unpack(open()?, &digest, &folder, limits)?;
            }
            Ok::<_, Unprepared>(folder)
        })
        .await
    }

    /// The weights are there as a whole or not at all.
    async fn fetch_weights(&self, digest: &Digest) -> Result<PathBuf, Unprepared> {
        let path = self.weights_file(digest);
        if tokio::fs::try_exists(&path).await? {
            return Ok(path);
        }
        let mut pieces = self.files.part(digest).await?.ok_or_else(|| Unprepared::Missing(digest.clone()))?;
        let folder = self.config.folder.join("weights");
        tokio::fs::create_dir_all(&folder).await?;
        let (file, partial) = tempfile::NamedTempFile::new_in(&folder)?.into_parts();
        let (mut file, mut hash) = (tokio::fs::File::from_std(file), Sha256::new());
        while let Some(piece) = pieces.try_next().await? {
            hash.update(&piece);
            file.write_all(&piece).await?;
        }
        if Digest::from_sha256(hash.finalize().into()) != *digest {
            return Err(Unprepared::Damaged(digest.clone()));
        }
        file.sync_all().await?;
        partial.persist(&path).map_err(|error| error.error)?;
        Ok(path)
    }

    /// Forgets what was made of a part. What a running instance has open stays for it.
    pub(crate) async fn forget_part(&self, part: &Digest) {
        let folder = self.remove_package(part).await;
        let file = tokio::fs::remove_file(self.weights_file(part)).await;
        for error in [folder.err(), file.err()].into_iter().flatten() {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%part, %error, "what was made of a model that is gone could not be removed");
            }
        }
    }

    /// Under another name first: a folder of which a part is left would be taken for whole.
    async fn remove_package(&self, part: &Digest) -> io::Result<()> {
        let gone = self.config.folder.join("models").join(format!(".{part}.gone.part"));
        tokio::fs::rename(self.package_folder(part), &gone).await?;
        tokio::fs::remove_dir_all(gone).await
    }

    /// What packages and weights there are on this machine.
    pub(crate) async fn parts_here(&self) -> Result<Vec<Digest>, Unprepared> {
        let folders = ["models", "weights"].map(|name| self.config.folder.join(name));
        let look = move || {
            let entries = folders.map(std::fs::read_dir).into_iter().flatten().flatten().flatten();
            Ok::<_, Unprepared>(
                entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect(),
            )
        };
        blocking(look).await
    }

    fn package_folder(&self, digest: &Digest) -> PathBuf {
        self.config.folder.join("models").join(digest.as_str())
    }

    fn weights_file(&self, digest: &Digest) -> PathBuf {
        self.config.folder.join("weights").join(digest.as_str())
    }
}

pub(super) fn entry_of(version: &Version) -> CatalogueEntry {
    CatalogueEntry {
        model: version.model.clone(),
        versions: vec![version.id.clone()],
        description: None,
        openapi_schema: version.openapi_schema.clone(),
        cog_version: version.cog_version.clone(),
    }
}

fn say(tell: &Tell, progress: Progress<'_>) {
    match progress {
        Progress::Waiting => tell.step("Waiting for another one that needs the same environment"),
        Progress::Creating { python } => {
            tell.step(format_args!("Making an environment with Python {python}"));
        }
        Progress::Installing { with } => tell.step(format_args!("Installing its packages with {with}")),
        Progress::Output(line) => tell.log(line),
    }
}

/// Does what blocks where that is fine.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Unprepared>
where
    T: Send + 'static,
    E: Into<Unprepared> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(Unprepared::Fault)?.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::with_causes;

    #[tokio::test]
    async fn a_fault_is_not_told_as_a_full_disk() {
        let broken = blocking(|| -> io::Result<()> { panic!("too many cogs") }).await.expect_err("it panics");
        let told = with_causes(&broken);
        assert!(told.contains("a fault in Cogwire") && told.contains("too many cogs"), "{told}");
        let full = blocking(|| -> io::Result<()> { Err(io::ErrorKind::StorageFull.into()) }).await;
        assert!(matches!(full, Err(Unprepared::Disk(_))));
    }
}
