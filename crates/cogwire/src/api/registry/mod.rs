//! How models come and go: what Replicate does by its website and registry, and Cogwire by its API.
//!
//! `POST /models` makes a model without versions, for trainings. `POST /models/{owner}/{name}/versions` adds a version of a
//! package or of a Cog server, and says line by line what happens. What is removed here is no longer run; predictions stay.

mod add;
mod create;
mod lines;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use cogwire_core::id::VersionId;
use cogwire_core::model::ModelName;
use cogwire_core::wire::ErrorBody;
use cogwire_store::catalog::{ModelRemoval, VersionRemoval};

use super::at::At;
use super::{Api, Failure};

pub(super) use add::add_version;
pub(super) use create::create_model;

/// `DELETE /models/{owner}/{name}`
pub(super) async fn remove_model(
    State(api): State<Arc<Api>>,
    At((owner, name)): At<(String, String)>,
) -> Result<StatusCode, Failure> {
    let name = ModelName::new(&owner, &name).map_err(|_| Failure::not_found())?;
    match api.store.remove_model(&name).await? {
        ModelRemoval::Removed => Ok(StatusCode::NO_CONTENT),
        ModelRemoval::NotFound => Err(Failure::not_found()),
        ModelRemoval::HasVersions => {
            Err(ErrorBody::new(409, format!("{name} has versions: remove them first")).into())
        }
    }
}

/// `DELETE /models/{owner}/{name}/versions/{id}`
pub(super) async fn remove_version(
    State(api): State<Arc<Api>>,
    At((owner, name, id)): At<(String, String, String)>,
) -> Result<StatusCode, Failure> {
    let model = ModelName::new(&owner, &name).map_err(|_| Failure::not_found())?;
    let id: VersionId = id.parse().map_err(|_| Failure::not_found())?;
    let engine = api.engine.clone();
    let removal = api.detached(async move { Ok(engine.remove_version(&model, &id).await?) }).await?;
    match removal {
        VersionRemoval::Removed => Ok(StatusCode::ACCEPTED),
        VersionRemoval::NotFound => Err(Failure::not_found()),
        VersionRemoval::InUse => {
            let detail = "The version has predictions that have not ended: wait for them, or cancel them";
            Err(ErrorBody::new(409, detail).into())
        }
    }
}
