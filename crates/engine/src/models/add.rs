//! Adding a model: prepared, tried once, and only then registered.

use std::path::PathBuf;

use cogwire_core::id::VersionId;
use cogwire_core::json::Json;
use cogwire_core::model::{ModelName, Version};
use cogwire_core::recipe::{Digest, Recipe};
use cogwire_files::Content;
use cogwire_package::{Inspection, SchemaSource};
use cogwire_runner::{RunnableModel, WarmUp};
use cogwire_store as store;
use cogwire_store::catalog::{NewVersion, VersionRemoval};
use url::Url;

use super::prepare::Unprepared;
use super::{Tell, Workshop};
use crate::error::with_causes;
use crate::{Engine, Shared};

/// The most lines of a setup that are shown: the last ones.
const SHOWN_LINES: usize = 500;

/// A folder that was packed.
#[derive(Debug, Clone)]
pub struct NewPackage {
    /// What it is to be called.
    pub model: ModelName,
    /// The package, in a file.
    pub tar: PathBuf,
    /// What the package is.
    pub digest: Digest,
    /// One sentence for people.
    pub description: Option<String>,
    /// Whether it becomes its model's latest version also when it was added before.
    pub promote: bool,
}

/// A Cog server that runs somewhere.
#[derive(Debug, Clone)]
pub struct NewServer {
    /// What it is to be called.
    pub model: ModelName,
    /// Where it answers.
    pub url: Url,
    /// How many predictions it takes at once.
    pub slots: u32,
    /// One sentence for people.
    pub description: Option<String>,
}

/// Why a model was not added. Nothing of it is registered then.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// This node runs no models.
    #[error("this server runs no models")]
    RunsNone,
    /// It cannot be prepared.
    #[error("the model cannot be used")]
    Unprepared(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It was started, and its setup failed.
    #[error("{0}")]
    Setup(String),
    /// The storage did not take its parts.
    #[error("the model could not be stored")]
    Files(#[from] cogwire_files::Error),
    /// The store did not take it.
    #[error("the model could not be registered")]
    Store(#[from] store::Error),
    /// The server is stopping.
    #[error("the server is stopping: try again when it has started")]
    Stopping,
}

impl AddError {
    /// The text with its causes, for a user who sees one line.
    pub fn explained(&self) -> String {
        with_causes(self)
    }
}

impl From<Unprepared> for AddError {
    fn from(error: Unprepared) -> Self {
        Self::Unprepared(Box::new(error))
    }
}

impl Engine {
    /// Adds a version that is made of a package. The same package under the same name is the same version, and is added
    /// faster the second time.
    ///
    /// # Errors
    /// When it cannot be prepared, started or stored.
    pub async fn add_package(&self, new: NewPackage, tell: &Tell) -> Result<Version, AddError> {
        let digest = new.digest.clone();
        // Whoever adds the same once more waits, and finds out what came of it.
        let _turn = self.0.parts.turn(&digest).await;
        let adding = Box::pin(self.0.add_package(new, tell));
        let added = self.0.soft.run_until_cancelled(adding).await.unwrap_or(Err(AddError::Stopping));
        if added.is_err() {
            self.0.forget_unused(&digest).await;
        }
        added
    }

    /// Adds a version that a Cog server runs.
    ///
    /// # Errors
    /// When the server cannot be used.
    pub async fn add_server(&self, new: NewServer, tell: &Tell) -> Result<Version, AddError> {
        let _turn = self.0.parts.turn(&Digest::of(new.url.as_str().as_bytes())).await;
        let adding = Box::pin(self.0.add_server(new, tell));
        self.0.soft.run_until_cancelled(adding).await.unwrap_or(Err(AddError::Stopping))
    }

    /// Removes a version, and what only it was made of.
    ///
    /// # Errors
    /// When the store or the storage refuses. A part that could not be deleted is only space.
    pub async fn remove_version(
        &self,
        model: &ModelName,
        id: &VersionId,
    ) -> Result<VersionRemoval, crate::Error> {
        self.0.remove_version(model, id).await
    }
}

impl Shared {
    async fn add_package(&self, new: NewPackage, tell: &Tell) -> Result<Version, AddError> {
        let workshop = self.workshop.as_ref().ok_or(AddError::RunsNone)?;
        let folder = workshop.take_package(&new.digest, &new.tar).await?;
        let recipe = Recipe::Package { package: new.digest.clone(), weights: None };
        let known = self.store.version(&recipe.version_id(&new.model, &Json::null())).await?;
        let is_known = known.is_some();
        let version = match known {
            Some(version) => version,
            None => self.examine(workshop, &new.model, recipe, folder, tell).await?,
        };
        if !self.runner.serves(&version.id) {
            let model = workshop.prepare(&version, tell).await?;
            // It was tried when it was added for the first time.
            match is_known {
                true => self.take_in(model, &version).await,
                false => self.try_out(model, &version.id, tell).await?,
            }
        }
        let tar = Content::Path(new.tar);
        self.files.put_part(&new.digest, tar.clone()).await?;
        if !is_known || new.promote {
            self.register_added(&version, new.description).await?;
        }
        // Another node may have deleted it as nobody's, before the version named it.
        self.files.put_part(&new.digest, tar).await?;
        Ok(version)
    }

    /// Makes the environment of a package, and a version of what it says about itself.
    async fn examine(
        &self,
        workshop: &Workshop,
        model: &ModelName,
        recipe: Recipe,
        folder: PathBuf,
        tell: &Tell,
    ) -> Result<Version, AddError> {
        let _place = workshop.place().await;
        let unpacked = workshop.set_up(folder, None, tell).await?;
        unpacked.config.ignored().iter().for_each(|sentence| tell.warning(sentence));
        if let Some(sentence) = unpacked.untrainable() {
            tell.warning(sentence);
        }
        tell.step("Reading its schema");
        let Inspection { schema, source, .. } = unpacked.inspect(&workshop.config.process.passed_on).await?;
        if let SchemaSource::File(name) = source {
            tell.step(format_args!("Taking its schema from {name}"));
        }
        Ok(Version {
            id: recipe.version_id(model, &schema),
            model: model.clone(),
            created_at: self.clock.now(),
            cog_version: unpacked.environment.cog_version.clone(),
            openapi_schema: schema,
            recipe: Some(recipe),
        })
    }

    async fn add_server(&self, new: NewServer, tell: &Tell) -> Result<Version, AddError> {
        let workshop = self.workshop.as_ref().ok_or(AddError::RunsNone)?;
        tell.step(format_args!("Asking {}", new.url));
        let facts = workshop.ask_server(new.url.as_str(), new.slots).await?;
        let schema = facts.openapi_schema.unwrap_or_else(Json::object);
        let recipe = Recipe::Server { url: new.url.to_string(), slots: new.slots };
        let version = Version {
            id: recipe.version_id(&new.model, &schema),
            model: new.model,
            created_at: self.clock.now(),
            cog_version: facts.cog_version.unwrap_or_else(|| "unknown".to_owned()),
            openapi_schema: schema,
            recipe: Some(recipe),
        };
        let known = self.store.version(&version.id).await?;
        // The same server with another number of slots is the same version, and runs in another way.
        if known.is_some_and(|known| known.recipe != version.recipe) {
            self.runner.remove(&version.id);
        }
        if !self.runner.serves(&version.id) {
            self.try_out(workshop.prepare(&version, tell).await?, &version.id, tell).await?;
        }
        self.register_added(&version, new.description).await?;
        Ok(version)
    }

    /// Starts an instance, which stays for the first prediction when all goes well.
    async fn try_out(&self, model: RunnableModel, id: &VersionId, tell: &Tell) -> Result<(), AddError> {
        tell.step("Starting it once");
        self.runner.add(model);
        let WarmUp { outcome, logs } = self.runner.warm_up(id).await;
        let lines: Vec<&str> = logs.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)).for_each(|line| tell.log(*line));
        outcome.map_err(|cause| {
            self.runner.remove(id);
            self.noticed.gone(id);
            AddError::Setup(cause)
        })
    }

    async fn register_added(&self, version: &Version, description: Option<String>) -> store::Result<()> {
        let new = NewVersion { version: version.clone(), description };
        self.store.register(vec![new], self.clock.now()).await?;
        self.noticed.ready(version);
        self.announce_models().await;
        Ok(())
    }

    async fn remove_version(
        &self,
        model: &ModelName,
        id: &VersionId,
    ) -> Result<VersionRemoval, crate::Error> {
        let recipe = self.store.version(id).await?.and_then(|version| version.recipe);
        let removal = self.store.remove_version(model, id).await?;
        if removal == VersionRemoval::Removed {
            self.forget_model(id).await;
            for part in recipe.iter().flat_map(Recipe::parts) {
                self.drop_part(part).await?;
            }
        }
        Ok(removal)
    }

    /// Forgets what was unpacked of a package that was not added, unless it is also another model's.
    pub(super) async fn forget_unused(&self, part: &Digest) {
        if let (Some(workshop), Ok(false)) = (&self.workshop, self.store.package_in_use(part).await) {
            workshop.forget_part(part).await;
        }
    }

    async fn drop_part(&self, part: &Digest) -> Result<(), crate::Error> {
        let _turn = self.parts.turn(part).await;
        if self.store.package_in_use(part).await? {
            return Ok(());
        }
        self.files.delete_part(part).await?;
        if let Some(workshop) = &self.workshop {
            workshop.forget_part(part).await;
        }
        Ok(())
    }
}
