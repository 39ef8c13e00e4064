//! How the process is: for load balancers and for Prometheus.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cogwire_store::lease::Standing;
use serde_json::json;

use super::{Api, Failure, answer};

/// How long the database and the files may take to answer. A little longer than it takes to find out that there is no
/// connection, which says more; a connection on which nothing comes back takes much longer to give up.
const PATIENCE: Duration = Duration::from_secs(4);

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> Response {
    answer::value(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /readyz`: the server takes work. It asks everything that the work needs, each time, so it is right again by itself
/// once that is back.
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Response {
    let roles: Vec<&str> = api.roles.names().collect();
    let reasons = reasons(&api).await;
    match reasons.is_empty() {
        true => answer::value(StatusCode::OK, &json!({"roles": roles, "status": "ready"})),
        false => answer::value(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({"reasons": reasons, "roles": roles, "status": "unavailable"}),
        ),
    }
}

/// Why the server takes no work, if so.
async fn reasons(api: &Api) -> Vec<String> {
    let (store, files) = tokio::join!(
        trouble(api, "the database", api.store.check()),
        trouble(api, "the storage of files", api.files.ready()),
    );
    let mut reasons = Vec::new();
    if api.engine.stopping().is_cancelled() {
        reasons.push("the server is stopping".to_owned());
    }
    if !api.prepared.is_cancelled() {
        reasons.push("the models that the configuration names are being added".to_owned());
    }
    reasons.extend(store);
    if api.lease.standing(api.lease.term(), api.clock.monotonic()) != Standing::Holds {
        reasons.push(
            "this server's lease has ended: others may take over its work until it is extended".to_owned(),
        );
    }
    reasons.extend(files);
    reasons
}

/// What is wrong with `what`, if anything.
async fn trouble<E: Display>(
    api: &Api,
    what: &str,
    check: impl Future<Output = Result<(), E>>,
) -> Option<String> {
    tokio::select! {
        checked = check => checked.err().map(|error| error.to_string()),
        () = api.clock.sleep(PATIENCE) => Some(format!("{what} did not answer within {PATIENCE:?}")),
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
