//! The account, and lists that are the same for everybody.

use axum::Extension;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::answer;
use super::auth::Caller;
use super::list::Page;

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
