//! Reading, listing and canceling trainings. They share ids and paths with predictions; here only trainings are found.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cogwire_core::prediction::{AccountId, Kind, Prediction};
use cogwire_core::wire::prediction_body;

use super::at::At;
use super::auth::Caller;
use super::predictions::{page, shown};
use super::query::Query;
use super::{Api, Failure, answer, caller};

/// `GET /trainings`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Failure> {
    page(&api, account, Kind::Training, caller::mask(&headers), &query).await
}

/// `GET /trainings/{id}`
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let training = own_training(&api, &account, &id).await?;
    let body = prediction_body(&training, &api.links.of_trainings(), caller::mask(&headers));
    Ok(answer::json(StatusCode::OK, body))
}

/// `POST /trainings/{id}/cancel`
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let training = own_training(&api, &account, &id).await?;
    let canceled = api.cancel(training).await?;
    Ok(shown(&api, &canceled, caller::mask(&headers)))
}

async fn own_training(api: &Api, account: &AccountId, id: &str) -> Result<Prediction, Failure> {
    let found = api.own_prediction(account, id).await?;
    if found.request.kind == Kind::Training { Ok(found) } else { Err(Failure::not_found()) }
}
