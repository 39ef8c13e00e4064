//! How the process is: for load balancers and for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Api, Failure, answer};

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> Response {
    answer::value(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /readyz`: the server takes work.
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Response {
    let mut reasons = Vec::new();
    if api.engine.stopping().is_cancelled() {
        reasons.push("the server is stopping".to_owned());
    }
    if let Err(error) = api.store.check().await {
        reasons.push(error.to_string());
    }
    match reasons.is_empty() {
        true => answer::value(StatusCode::OK, &json!({"status": "ready"})),
        false => answer::value(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({"reasons": reasons, "status": "unavailable"}),
        ),
    }
}

/// `GET /metrics`
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Result<Response, Failure> {
    let handle = api.config.metrics.as_ref().ok_or_else(Failure::not_found)?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, handle.render()).into_response())
}
