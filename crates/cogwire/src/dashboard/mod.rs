//! Pages for people. For now one: a prediction, at the URL that is its `urls.web`.
//!
//! Pages are made on the server and work without scripts. The key in the URL is the permission; the URL is kept from other
//! sites, and a page loads nothing from them.

mod layout;
mod prediction;
mod value;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cogwire_core::id::PredictionId;
use cogwire_core::prediction::Prediction;
use maud::Markup;

use crate::api::{Api, At, Failure, Query};
use prediction::Waiting;
use webhooks::Webhooks;

/// The pages.
pub(crate) fn routes() -> Router<Arc<Api>> {
    Router::new().route("/", get(index)).route("/p/{id}", get(show))
}

/// `GET /`: for people who open the server's URL.
async fn index(State(api): State<Arc<Api>>) -> Response {
    page(&api, StatusCode::OK, layout::index(&api.links.api()))
}

/// `GET /p/{id}?key=…`
async fn show(State(api): State<Arc<Api>>, At(id): At<String>, query: Query) -> Result<Response, Failure> {
    let key = query.get("key").unwrap_or_default();
    let allowed = id.parse().ok().filter(|id: &PredictionId| api.links.opens_web(*id, key));
    let found = match allowed {
        Some(id) => api.store.load(id).await?,
        None => None,
    };
    let Some(found) = found else {
        return Ok(page(&api, StatusCode::NOT_FOUND, layout::not_found()));
    };
    let webhooks = Webhooks::load(&api, &found).await?;
    let waiting = waiting(&api, &found).await;
    let shown = prediction::page(&found, waiting.as_ref(), &webhooks, api.links.base(), api.now());
    Ok(page(&api, StatusCode::OK, shown))
}

async fn waiting(api: &Api, prediction: &Prediction) -> Option<Waiting> {
    match api.unserved(prediction).await {
        Some(reason) => Some(Waiting::InVain(reason)),
        None => api.waits_for(prediction).await.map(Waiting::ForItsTurn),
    }
}

fn page(api: &Api, status: StatusCode, markup: Markup) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_SECURITY_POLICY, layout::policy(api.links.base())),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (HeaderName::from_static("x-robots-tag"), "noindex".to_owned()),
    ];
    (status, headers, markup).into_response()
}
