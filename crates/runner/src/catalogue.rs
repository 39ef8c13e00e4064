//! What a runner can run, as the catalogue of models wants to know it.

use cogwire_core::id::VersionId;
use cogwire_core::json::Json;
use cogwire_core::model::ModelName;

use crate::instances::plan::InstancePlan;
use crate::runtime::Runtime;

/// A model with the versions that share one schema.
///
/// A model whose versions differ in schema has several entries; the versions of an earlier entry are the newer ones.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogueEntry {
    /// `owner/name`.
    pub model: ModelName,
    /// The versions, the latest first; never empty.
    pub versions: Vec<VersionId>,
    /// One sentence for people, if there is one.
    pub description: Option<String>,
    /// The OpenAPI document of all these versions.
    pub openapi_schema: Json,
    /// The version of Cog that it was made with; for models without Cog, `cogwire VERSION`.
    pub cog_version: String,
}

/// A model, and what runs it.
#[derive(Debug, Clone)]
pub struct RunnableModel {
    pub(crate) entry: CatalogueEntry,
    pub(crate) means: Means,
}

/// What runs a model.
#[derive(Debug, Clone)]
pub(crate) enum Means {
    /// Something that runs any number of jobs at any time.
    Direct(Runtime),
    /// Instances, which have to be started.
    Instances(InstancePlan),
}

impl RunnableModel {
    /// How the catalogue shows it.
    pub fn entry(&self) -> &CatalogueEntry {
        &self.entry
    }
}
