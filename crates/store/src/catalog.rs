//! Models and versions.

use async_trait::async_trait;
use cogwire_core::id::VersionId;
use cogwire_core::model::{Model, ModelName, Version};
use cogwire_core::recipe::Digest;
use cogwire_core::time::Timestamp;

use crate::error::Result;

/// A version to register, under its model.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The version; registering the same id again updates its schema and its recipe.
    pub version: Version,
    /// The model's description, which replaces the stored one when there is one.
    pub description: Option<String>,
}

/// The order of a list of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModelOrder {
    /// By when the latest version was registered.
    #[default]
    LatestVersionCreated,
    /// By when the model was.
    ModelCreated,
}

/// A page of models to list.
#[derive(Debug, Clone)]
pub struct ListModels {
    /// By what.
    pub order: ModelOrder,
    /// Newest first.
    pub descending: bool,
    /// Rows to pass over.
    pub offset: u32,
    /// The most rows to return.
    pub limit: u32,
}

/// What became of making a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelCreation {
    /// It is there, without versions.
    Created,
    /// There is one of this name, which stays as it is.
    Exists,
}

/// What became of removing a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionRemoval {
    /// It is gone; its predictions stay.
    Removed,
    /// The model has no such version.
    NotFound,
    /// Predictions of it wait or run.
    InUse,
}

/// What became of removing a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelRemoval {
    /// It is gone, and the count of its runs with it; its predictions stay.
    Removed,
    /// There is none of this name.
    NotFound,
    /// It has versions, which have to be removed first.
    HasVersions,
}

/// The use cases of the catalogue.
#[async_trait]
pub trait CatalogStore: Send + Sync + 'static {
    /// Registers versions, in order: of several versions of a model, the last one becomes its latest. A version belongs to one
    /// model; ids that come from recipes have the model's name in them, so they never meet.
    async fn register(&self, versions: Vec<NewVersion>, now: Timestamp) -> Result<()>;

    /// One model.
    async fn model(&self, name: &ModelName) -> Result<Option<Model>>;

    /// A page of models.
    async fn list_models(&self, query: &ListModels) -> Result<Vec<Model>>;

    /// One version, by its id alone.
    async fn version(&self, id: &VersionId) -> Result<Option<Version>>;

    /// The versions of a model, newest first; the latest is the first.
    async fn versions(&self, name: &ModelName) -> Result<Vec<Version>>;

    /// The versions that any node can make, because they have a recipe.
    async fn runnable(&self) -> Result<Vec<VersionId>>;

    /// Makes a model that has no version yet.
    async fn create_model(
        &self,
        name: &ModelName,
        description: Option<&str>,
        now: Timestamp,
    ) -> Result<ModelCreation>;

    /// Removes a version of a model, unless predictions of it wait or run. The one that was registered before it becomes the
    /// latest. A prediction that is created at the same moment may be left without its version: nobody serves it then.
    async fn remove_version(&self, model: &ModelName, version: &VersionId) -> Result<VersionRemoval>;

    /// Removes a model that has no versions.
    async fn remove_model(&self, name: &ModelName) -> Result<ModelRemoval>;

    /// Whether any version is made of this, as its package or as its weights. A recipe that this program cannot read counts,
    /// too, when its text has the digest.
    async fn package_in_use(&self, digest: &Digest) -> Result<bool>;
}
