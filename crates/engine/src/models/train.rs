//! What becomes of a training that succeeds: a version of its destination.
//!
//! The weights that it made are stored for good, under their digest, and the new version is the package of the trained one with
//! these weights. It is registered, and runs here, before the training ends: whoever hears of the end can use it.

use std::io;

use cogwire_core::json::Json;
use cogwire_core::model::Version;
use cogwire_core::prediction::{Prediction, Request};
use cogwire_core::recipe::{Digest, Recipe};
use cogwire_runner::{Produced, ProducedFile};
use cogwire_store as store;
use cogwire_store::catalog::NewVersion;
use serde_json::json;

use super::Tell;
use crate::Shared;
use crate::outputs::content_of;

/// Where a training's output has its weights.
const WEIGHTS: &str = "weights";

/// Why a training that the model finished comes to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTrained {
    #[error(
        "The training made no weights: its `train` function must return an object with `weights`, a path"
    )]
    NoWeights,
    #[error("The version that was trained is gone")]
    NoBase,
    #[error("Only versions that are made of a package can be trained")]
    NotAPackage,
    #[error("The weights could not be read")]
    Weights(#[from] io::Error),
    #[error("The weights could not be stored")]
    Engine(#[from] crate::Error),
    #[error("The new version could not be registered")]
    Store(#[from] store::Error),
    #[error("The new version does not run")]
    Unprepared(#[from] super::prepare::Unprepared),
}

impl Shared {
    /// Makes a version of what a training produced, and gives the training's output for readers: `version` and `weights`.
    pub(crate) async fn publish_training(
        &self,
        training: &Prediction,
        produced: Option<Produced>,
    ) -> Result<Json, NotTrained> {
        let weights = produced.and_then(weights_of).ok_or(NotTrained::NoWeights)?;
        let digest = self.keep_weights(&weights).await?;
        let version = self.version_with(&training.request, digest).await?;
        let url = self.keep_output(training.id(), Produced::File(weights)).await?;
        self.register_trained(&version).await?;
        let full = format!("{}:{}", version.model, version.id);
        Ok(Json::from_value(&json!({"version": full, WEIGHTS: url.to_value()})))
    }

    async fn keep_weights(&self, weights: &ProducedFile) -> Result<Digest, NotTrained> {
        let content = content_of(&weights.content);
        let digest = content.digest().await?;
        self.files.put_part(&digest, content).await.map_err(crate::Error::Files)?;
        Ok(digest)
    }

    async fn version_with(&self, request: &Request, weights: Digest) -> Result<Version, NotTrained> {
        let base = self.store.version(&request.version).await?.ok_or(NotTrained::NoBase)?;
        let Some(Recipe::Package { package, .. }) = base.recipe else { return Err(NotTrained::NotAPackage) };
        let model = request.destination.clone().unwrap_or(base.model);
        let recipe = Recipe::Package { package, weights: Some(weights) };
        Ok(Version {
            id: recipe.version_id(&model, &base.openapi_schema),
            model,
            created_at: self.clock.now(),
            cog_version: base.cog_version,
            openapi_schema: base.openapi_schema,
            recipe: Some(recipe),
        })
    }

    async fn register_trained(&self, version: &Version) -> Result<(), NotTrained> {
        // First of all: a version that does not run is none.
        let model = match &self.workshop {
            Some(workshop) => Some(workshop.prepare(version, &Tell::nobody()).await?),
            None => None,
        };
        let new = NewVersion { version: version.clone(), description: None };
        self.store.register(vec![new], self.clock.now()).await?;
        if let Some(model) = model {
            self.take_in(model, version).await;
        }
        Ok(())
    }
}

/// The weights: the output itself, or what it calls so.
fn weights_of(produced: Produced) -> Option<ProducedFile> {
    match produced {
        Produced::File(file) => Some(file),
        Produced::Tree { json, mut files } => files.remove(json.to_value()[WEIGHTS].as_str()?),
        Produced::Json(_) => None,
    }
}
