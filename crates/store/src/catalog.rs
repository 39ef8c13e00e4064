//! Models and versions.

use async_trait::async_trait;
use cogwire_core::id::VersionId;
use cogwire_core::model::{Model, ModelName, Version};
use cogwire_core::time::Timestamp;

use crate::error::Result;

/// A version to register, under its model.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The version; registering the same id again updates its schema.
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

/// The use cases of the catalogue.
#[async_trait]
pub trait CatalogStore: Send + Sync + 'static {
    /// Registers versions, in order: of several versions of a model, the last one becomes its latest.
    async fn register(&self, versions: Vec<NewVersion>, now: Timestamp) -> Result<()>;

    /// One model.
    async fn model(&self, name: &ModelName) -> Result<Option<Model>>;

    /// A page of models.
    async fn list_models(&self, query: &ListModels) -> Result<Vec<Model>>;

    /// One version, by its id alone.
    async fn version(&self, id: &VersionId) -> Result<Option<Version>>;

    /// The versions of a model, newest first; the latest is the first.
    async fn versions(&self, name: &ModelName) -> Result<Vec<Version>>;
}
