//! Answers in JSON.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// JSON text, with the line end that Replicate's answers have. Whatever the API tells may change, so nobody may keep it.
pub(super) fn json(status: StatusCode, mut body: String) -> Response {
    body.push('\n');
    let headers =
        [(header::CONTENT_TYPE, "application/json; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

/// A value as JSON.
pub(super) fn value(status: StatusCode, value: &impl Serialize) -> Response {
    json(status, serde_json::to_string(value).expect("answers have text keys and finite numbers"))
}
