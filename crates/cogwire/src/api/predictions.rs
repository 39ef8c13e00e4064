//! Reading, listing and canceling predictions.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cogwire_core::id::PredictionId;
use cogwire_core::prediction::{AccountId, Kind, Prediction, Source, Status};
use cogwire_core::wire::{Mask, PageCursor, prediction_body};
use cogwire_store::prediction::ListPredictions;

use super::at::At;
use super::auth::Caller;
use super::list::{Page, frame, page_url, place};
use super::query::Query;
use super::{Api, Failure, answer, caller, warnings};

/// Predictions on a page, as on Replicate.
const PAGE: u32 = 100;

/// `GET /predictions`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Failure> {
    page(&api, account, Kind::Prediction, caller::mask(&headers), &query).await
}

/// `GET /predictions/{id}`
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let prediction = api.own_prediction(&account, &id).await?;
    let mut response = shown(&api, &prediction, caller::mask(&headers));
    warnings::add(&mut response, &api.unserved(&prediction).await);
    Ok(response)
}

/// `POST /predictions/{id}/cancel`
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let prediction = api.own_prediction(&account, &id).await?;
    let canceled = api.cancel(prediction).await?;
    Ok(shown(&api, &canceled, caller::mask(&headers)))
}

impl Api {
    /// The account's prediction or training of this id, or 404: nobody learns that it is somebody else's.
    pub(super) async fn own_prediction(&self, account: &AccountId, id: &str) -> Result<Prediction, Failure> {
        let id: PredictionId = id.parse().map_err(|_| Failure::not_found())?;
        let own = self.store.load(id).await?.filter(|prediction| prediction.request.account == *account);
        own.ok_or_else(Failure::not_found)
    }

    /// The prediction as it is after a cancel; one that has ended is unchanged.
    pub(super) async fn cancel(&self, prediction: Prediction) -> Result<Prediction, Failure> {
        if prediction.status().is_terminal() {
            return Ok(prediction);
        }
        let (engine, id) = (self.engine.clone(), prediction.id());
        let canceled = self.detached(async move { Ok(engine.cancel(id).await?) }).await?;
        canceled.ok_or_else(Failure::not_found)
    }
}

/// The answer that shows a prediction.
pub(super) fn shown(api: &Api, prediction: &Prediction, mask: Mask) -> Response {
    answer::json(StatusCode::OK, prediction_body(prediction, &api.links, mask))
}

/// A page of predictions or of trainings.
pub(super) async fn page(
    api: &Api,
    account: AccountId,
    kind: Kind,
    mask: Mask,
    query: &Query,
) -> Result<Response, Failure> {
    let list = asked(account, kind, query)?;
    let found = api.store.list(&list).await?;
    let frame = frame(list.cursor.as_ref(), found, PAGE, Prediction::id);
    let url = |cursor: PageCursor| page_url(&api.links, &format!("/{kind}s"), query, &cursor);
    let results = frame.rows.iter().map(|row| prediction_body(row, &api.links, mask)).collect();
    Ok(Page { results, next: frame.next.map(url), previous: frame.previous.map(url) }.into_response())
}

fn asked(account: AccountId, kind: Kind, query: &Query) -> Result<ListPredictions, Failure> {
    const STATUSES: [Status; 6] = [
        Status::Starting,
        Status::Processing,
        Status::Succeeded,
        Status::Failed,
        Status::Canceled,
        Status::Aborted,
    ];
    Ok(ListPredictions {
        account,
        kind,
        created_after: query.time("created_after")?,
        created_before: query.time("created_before")?,
        source: query.choice("source", &[Source::Web.as_str(), Source::Api.as_str()])?,
        status: query.choice("status", &STATUSES.map(Status::as_str))?,
        cursor: query.cursor(place)?,
        // One more than is shown tells whether there are more.
        limit: PAGE + 1,
    })
}
