//! Which model to run, and what its schema says.

use cogwire_core::model::VersionRef;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::failure::{Failure, Outcome};

/// What to run.
#[derive(Debug)]
pub(in crate::cli) struct Target {
    /// `owner/name`, unless only a version is known.
    model: Option<String>,
    /// The version id, unless the latest is meant.
    version: Option<String>,
    /// `components.schemas` of the version's OpenAPI document, when it is known.
    pub(in crate::cli) schema: Option<Value>,
}

impl Target {
    /// Looks the model up, for its schema.
    pub(in crate::cli) async fn find(client: &Client, reference: &str) -> Outcome<Self> {
        let parsed: VersionRef = reference.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
        let (model, version) = match parsed {
            VersionRef::Latest(model) => (Some(model), None),
            VersionRef::Pinned(model, version) => (Some(model), Some(version)),
            VersionRef::Id(version) => (None, Some(version)),
        };
        let path = match (&model, &version) {
            (Some(model), Some(version)) => Some(format!("/models/{model}/versions/{version}")),
            (Some(model), None) => Some(format!("/models/{model}")),
            (None, _) => None,
        };
        let found = match path {
            Some(path) => Some(client.find(&path).await?.ok_or_else(|| unknown(client, reference))?),
            None => None,
        };
        let schema = found.as_ref().and_then(schemas).cloned();
        Ok(Self {
            model: model.map(|model| model.to_string()),
            version: version.map(|version| version.to_string()),
            schema,
        })
    }

    /// Where to create a prediction.
    pub(in crate::cli) fn create_path(&self) -> String {
        match (&self.model, &self.version) {
            (Some(model), None) => format!("/models/{model}/predictions"),
            _ => "/predictions".to_owned(),
        }
    }

    /// The body of a create, as far as the model and its input say.
    pub(in crate::cli) fn body(&self, input: &Value) -> Value {
        let mut body = json!({"input": input});
        if let Some(version) = &self.version {
            body["version"] = json!(version);
        }
        body
    }

    /// The schema of the output, when it is known.
    pub(super) fn output_schema(&self) -> Option<&Value> {
        self.schema.as_ref()?.get("Output")
    }
}

/// A model has its schema in its latest version, a version has it itself.
fn schemas(found: &Value) -> Option<&Value> {
    let version = found.get("latest_version").unwrap_or(found);
    version.pointer("/openapi_schema/components/schemas")
}

fn unknown(client: &Client, reference: &str) -> Failure {
    Failure::Failed(format!("{} has no model {reference:?}", client.base()))
}
