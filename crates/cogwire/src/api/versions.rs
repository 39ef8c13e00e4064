//! From what a create names to what runs: versions with their schemas, compiled once.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::VersionId;
use cogwire_core::input::{Accepted, Component, InputSchema, OutputForm, SchemaError};
use cogwire_core::json::Json;
use cogwire_core::model::{ModelName, Version, VersionRef};
use cogwire_core::prediction::Kind;
use cogwire_core::wire::ErrorBody;

use super::recent::Recent;
use super::{Api, Failure};

/// How long a version is believed to be unchanged: registering it again may change its schema.
const VERSION_TRUSTED: Duration = Duration::from_secs(10);
/// How long a model's latest version is believed to be the latest.
const LATEST_TRUSTED: Duration = Duration::from_secs(1);
/// The most versions and models that are remembered. A compiled schema takes some 100 kB.
const MAX_REMEMBERED: usize = 1000;

/// A version that a prediction can be created with.
pub(super) struct Runnable {
    pub(super) id: VersionId,
    pub(super) model: ModelName,
    /// Whether its output arrives bit by bit.
    pub(super) streams: bool,
    input: Result<InputSchema, SchemaError>,
    /// Only of a version that can be trained.
    training_input: Option<Result<InputSchema, SchemaError>>,
    source: Json,
}

/// What was looked up a moment ago, with the edition of the models that it was looked up under: what this node has changed
/// since is seen at once, and what other nodes change soon.
pub(super) struct Versions {
    by_id: Recent<VersionId, (u64, Arc<Runnable>)>,
    latest: Recent<ModelName, (u64, VersionId)>,
}

impl Default for Versions {
    fn default() -> Self {
        Self {
            by_id: Recent::new(VERSION_TRUSTED, MAX_REMEMBERED),
            latest: Recent::new(LATEST_TRUSTED, MAX_REMEMBERED),
        }
    }
}

impl Runnable {
    fn compile(version: &Version) -> Self {
        let form = OutputForm::of(&version.openapi_schema);
        let schema = |component| InputSchema::compile(&version.openapi_schema, component);
        let trains = Component::TrainingInput.is_in(&version.openapi_schema);
        Self {
            id: version.id.clone(),
            model: version.model.clone(),
            streams: matches!(form, OutputForm::Iterator | OutputForm::Concatenate),
            input: schema(Component::Input),
            training_input: trains.then(|| schema(Component::TrainingInput)),
            source: version.openapi_schema.clone(),
        }
    }

    /// Checks the input of a prediction or training.
    pub(super) fn accept(&self, kind: Kind, input: &Json) -> Result<Accepted, Failure> {
        let schema = match kind {
            Kind::Prediction => &self.input,
            Kind::Training => self.training_input.as_ref().ok_or_else(|| not_trainable(&self.id))?,
        };
        match schema {
            Ok(schema) => Ok(schema.validate(input).map_err(ErrorBody::invalid_input)?),
            Err(error) => Err(unusable(&self.id, error)),
        }
    }
}

impl Api {
    /// The version that a text refers to; `None` when there is none.
    pub(super) async fn find_version(&self, reference: &str) -> Result<Option<Arc<Runnable>>, Failure> {
        match reference.parse() {
            Ok(VersionRef::Id(id)) => self.version(&id).await,
            Ok(VersionRef::Latest(model)) => self.latest_version(&model).await,
            Ok(VersionRef::Pinned(model, id)) => {
                Ok(self.version(&id).await?.filter(|version| version.model == model))
            }
            Err(_) => Ok(None),
        }
    }

    /// The version that runs when a model is called by its name; `None` when there is no such model, or it has no version.
    pub(super) async fn latest_version(&self, model: &ModelName) -> Result<Option<Arc<Runnable>>, Failure> {
        let (now, edition) = (self.now(), self.engine.models_edition());
        if let Some((_, id)) = self.versions.latest.get(model, now).filter(|(of, _)| *of == edition) {
            return self.version(&id).await;
        }
        let found = self.store.model(model).await?.and_then(|model| model.latest_version);
        let Some(version) = found else { return Ok(None) };
        self.versions.latest.put(model.clone(), (edition, version.id.clone()), now);
        self.version(&version.id).await
    }

    async fn version(&self, id: &VersionId) -> Result<Option<Arc<Runnable>>, Failure> {
        let (now, edition) = (self.now(), self.engine.models_edition());
        if let Some((_, known)) = self.versions.by_id.get(id, now).filter(|(of, _)| *of == edition) {
            return Ok(Some(known));
        }
        let Some(version) = self.store.version(id).await? else { return Ok(None) };
        let old = self.versions.by_id.get_old(id).map(|(_, old)| old);
        let unchanged = old.filter(|old| old.source == version.openapi_schema);
        let runnable = unchanged.unwrap_or_else(|| Arc::new(Runnable::compile(&version)));
        self.versions.by_id.put(id.clone(), (edition, Arc::clone(&runnable)), now);
        Ok(Some(runnable))
    }
}

fn not_trainable(id: &VersionId) -> ErrorBody {
    let detail = format!(
        "The version {id} cannot be trained: the `cog.yaml` of a model that can be has an entry `train`"
    );
    ErrorBody { title: Some("Invalid version or not permitted"), ..ErrorBody::new(422, detail) }
}

fn unusable(id: &VersionId, error: &SchemaError) -> Failure {
    let detail =
        format!("The version {id} cannot be used: {error}. Register it again with a schema that is valid");
    ErrorBody { title: Some("Invalid version or not permitted"), ..ErrorBody::new(422, detail) }.into()
}
