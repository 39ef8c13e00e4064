//! The account, its signing secret, and lists that are the same for everybody.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::auth::Caller;
use super::list::Page;
use super::{Api, Failure, answer};

/// `GET /account`
pub(super) async fn get(Extension(Caller(account)): Extension<Caller>) -> Response {
    let username = &*account.0;
    let body = json!({"avatar_url": null, "github_url": null, "name": username, "type": "user", "username": username});
    answer::value(StatusCode::OK, &body)
}

/// `GET /hardware`: what a model runs on is this server's business.
pub(super) async fn hardware() -> Response {
    answer::value(StatusCode::OK, &json!([{"name": "CPU", "sku": "cpu"}]))
}

/// `GET /collections`: there are none.
pub(super) async fn collections() -> Response {
    Page::default().into_response()
}

/// `GET /webhooks/default/secret`
pub(super) async fn webhook_secret(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
) -> Result<Response, Failure> {
    let secret = api.store.secrets(&account).await?.into_iter().next().ok_or_else(Failure::not_found)?;
    Ok(answer::value(StatusCode::OK, &json!({"key": secret.expose()})))
}
