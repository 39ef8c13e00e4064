//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use cogwire_core::wire::ErrorBody;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any, CorsLayer};

use super::{
    Api, Failure, account, auth, create, deliveries, download, events, files, health, instances, models,
    observe, path, predictions, progress, registry, secrets, streams, trainings,
};
use crate::dashboard;

/// Everything that the server answers.
pub fn router(api: Arc<Api>) -> Router {
    let routes = if api.roles.api { of_api(&api) } else { Router::new().fallback(no_api) };
    let routes = routes
        .merge(of_node())
        .layer(ServiceBuilder::new().layer(from_fn_with_state(Arc::clone(&api), observe::observe)).layer(
            CatchPanicLayer::custom(|payload: Box<dyn std::any::Any + Send>| {
                observe::panicked(payload.as_ref())
            }),
        ))
        .with_state(api);
    // The path is settled before any route is looked for, so the routes are a service of their own.
    let settled = ServiceBuilder::new().map_request(path::normalise).service(routes);
    Router::new().fallback_service(settled)
}

/// What a node with the role `api` answers.
fn of_api(api: &Arc<Api>) -> Router<Arc<Api>> {
    let pages = dashboard::routes().method_not_allowed_fallback(method_not_allowed);
    with_token(api).merge(for_any_origin()).merge(pages)
}

/// The API. An unknown path is told to nobody without a token, either.
fn with_token(api: &Arc<Api>) -> Router<Arc<Api>> {
    catalogue()
        .merge(work())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(api), auth::authenticate))
}

fn catalogue() -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/account", get(account::get))
        .route("/v1/collections", get(account::collections))
        .route("/v1/hardware", get(account::hardware))
        .route("/v1/webhooks/default/secret", get(secrets::current))
        .route("/v1/webhooks/default/secret/rotate", post(secrets::rotate))
        .route("/v1/webhooks/default/secret/retire", post(secrets::retire))
        .route("/v1/webhooks/default/secrets", get(secrets::list))
        .route("/v1/models", get(models::list).post(registry::create_model))
        .route("/v1/models/{owner}/{name}", get(models::get).delete(registry::remove_model))
        .route("/v1/models/{owner}/{name}/examples", get(models::examples))
        .route("/v1/models/{owner}/{name}/readme", get(models::readme))
        .route("/v1/models/{owner}/{name}/versions", get(models::versions).post(registry::add_version))
        .route(
            "/v1/models/{owner}/{name}/versions/{id}",
            get(models::version).delete(registry::remove_version),
        )
        .route("/v1/instances", get(instances::list))
}

fn work() -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/models/{owner}/{name}/predictions", post(create::of_model))
        .route("/v1/predictions", get(predictions::list).post(create::by_version))
        .route("/v1/predictions/{id}", get(predictions::get))
        .route("/v1/predictions/{id}/cancel", post(predictions::cancel))
        .route("/v1/predictions/{id}/progress", get(progress::get))
        .route("/v1/predictions/{id}/deliveries", get(deliveries::of_prediction))
        .route("/v1/events", get(events::list))
        .route("/v1/files", get(files::list).post(files::create))
        .route("/v1/files/{id}", get(files::get).delete(files::delete))
        .route("/v1/models/{owner}/{name}/versions/{id}/trainings", post(create::of_training))
        .route("/v1/trainings", get(trainings::list))
        .route("/v1/trainings/{id}", get(trainings::get))
        .route("/v1/trainings/{id}/cancel", post(trainings::cancel))
        .route("/v1/deliveries", get(deliveries::list))
        .route("/v1/deliveries/{id}", get(deliveries::get))
        .route("/v1/deliveries/resend", post(deliveries::resend::many))
        .route("/v1/deliveries/{id}/resend", post(deliveries::resend::one))
}

/// What web pages of any origin may read: the URL is the permission.
fn for_any_origin() -> Router<Arc<Api>> {
    const EXPOSED: [&str; 5] =
        ["accept-ranges", "content-disposition", "content-range", "etag", "x-request-id"];
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(Any)
        .expose_headers(EXPOSED.map(HeaderName::from_static));
    Router::new()
        .route("/v1/streams/{capability}", get(streams::read))
        .route(download::PATH, get(download::download))
        .route("/v1/files/{id}/download", get(files::download))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(cors)
}

/// What every node answers.
fn of_node() -> Router<Arc<Api>> {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .method_not_allowed_fallback(method_not_allowed)
}

async fn no_api(State(api): State<Arc<Api>>) -> Failure {
    let detail = format!(
        "This server does not answer the API, because it has only the roles \"{}\": ask one that has the role \"api\"",
        api.roles
    );
    ErrorBody::new(404, detail).into()
}

async fn not_found() -> Failure {
    Failure::not_found()
}

async fn method_not_allowed(request: Request) -> Failure {
    ErrorBody::method_not_allowed(request.method().as_str()).into()
}
