//! `POST /models`

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use cogwire_core::input::{InvalidField, InvalidInput};
use cogwire_core::model::ModelName;
use cogwire_core::wire::{ErrorBody, model_body};
use cogwire_store::catalog::ModelCreation;
use serde_json::{Map, Value};

use crate::api::{Api, Failure, answer, body, warnings};

/// What a model may be created with here.
const KNOWN: [&str; 3] = ["owner", "name", "description"];

/// What Replicate knows besides, and has no meaning where there is neither a shop nor a choice of machines.
const IGNORED: [&str; 6] =
    ["visibility", "hardware", "github_url", "paper_url", "license_url", "cover_image_url"];

/// A model without versions: a training fills it.
pub(in crate::api) async fn create_model(
    State(api): State<Arc<Api>>,
    body: Body,
) -> Result<Response, Failure> {
    let bytes = body::read(body, api.config.body_limit).await?;
    let asked = Asked::read(&bytes)?;
    let created = api.store.create_model(&asked.name, asked.description.as_deref(), api.now()).await?;
    if created == ModelCreation::Exists {
        let detail = format!("A model with the name {} exists already", asked.name);
        return Err(ErrorBody::new(409, detail).into());
    }
    let model = api.store.model(&asked.name).await?.ok_or_else(Failure::not_found)?;
    let mut response = answer::json(StatusCode::CREATED, model_body(&model, &api.links));
    warnings::add(&mut response, &asked.warnings);
    Ok(response)
}

/// A body, read.
#[derive(Debug)]
struct Asked {
    name: ModelName,
    description: Option<String>,
    warnings: Vec<String>,
}

impl Asked {
    fn read(bytes: &[u8]) -> Result<Self, ErrorBody> {
        let malformed =
            |error| ErrorBody::new(400, format!("The request body is not a JSON object: {error}"));
        let members: Map<String, Value> = serde_json::from_slice(bytes).map_err(malformed)?;
        let mut faults: Vec<InvalidField> = members.keys().filter_map(|key| unknown(key)).collect();
        let mut text = |key: &'static str, required: bool| match members.get(key) {
            Some(Value::String(text)) => Some(text.clone()),
            None | Some(Value::Null) if !required => None,
            None | Some(Value::Null) => {
                faults.push(InvalidField::new("required", "", format!("{key} is required")));
                None
            }
            Some(_) => {
                faults.push(InvalidField::new("invalid_type", key, "Invalid type. Expected: string"));
                None
            }
        };
        let (owner, name, description) =
            (text("owner", true), text("name", true), text("description", false));
        let name = owner.zip(name).map(|(owner, name)| ModelName::new(&owner, &name));
        match name {
            Some(Ok(name)) if faults.is_empty() => {
                Ok(Self { name, description, warnings: warnings(&members) })
            }
            Some(Err(invalid)) => {
                faults.push(InvalidField::new("format", "name", invalid.to_string()));
                Err(ErrorBody::invalid_input(InvalidInput { fields: faults }))
            }
            _ => Err(ErrorBody::invalid_input(InvalidInput { fields: faults })),
        }
    }
}

fn unknown(key: &str) -> Option<InvalidField> {
    let known = KNOWN.contains(&key) || IGNORED.contains(&key);
    let key: String = key.chars().take(100).collect();
    let description = format!("Additional property {key} is not allowed");
    (!known).then(|| InvalidField::new("additional_property_not_allowed", "", description))
}

fn warnings(members: &Map<String, Value>) -> Vec<String> {
    let ignored = IGNORED.iter().filter(|key| members.get(**key).is_some_and(|value| !value.is_null()));
    ignored
        .filter(|key| !matches!(**key, "visibility" | "hardware"))
        .map(|key| format!("`{key}` is ignored"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Asked, ErrorBody> {
        Asked::read(body.to_string().as_bytes())
    }

    #[test]
    fn what_replicates_clients_send_is_understood() {
        let asked =
            read(&json!({"owner": "acme", "name": "tuned", "visibility": "private", "hardware": "cpu",
            "description": "Ours", "paper_url": "https://example.com"}))
            .expect("valid");
        assert_eq!((asked.name.as_str(), asked.description.as_deref()), ("acme/tuned", Some("Ours")));
        assert_eq!(asked.warnings, ["`paper_url` is ignored"]);
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let details = |body| read(&body).expect_err("refused").detail;
        insta::assert_snapshot!(
            [
                details(json!({})),
                details(json!({"owner": 1, "name": "x"})),
                details(json!({"owner": "a b", "name": "x"})),
                details(json!({"owner": "a", "name": "x", "nmae": 1})),
            ]
            .join("\n---\n")
        );
        assert_eq!(Asked::read(b"[]").expect_err("refused").status, 400);
    }
}
