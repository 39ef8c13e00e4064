//! `GET /instances`: the processes of models on this node, and the models that it cannot run yet.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use cogwire_core::time::Timestamp;
use cogwire_engine::{InstanceReport, ModelState, Unready};
use serde_json::{Value, json};

use super::{Api, answer};

/// `GET /instances`
pub(super) async fn list(State(api): State<Arc<Api>>) -> Response {
    let now = api.now();
    let memory = api.engine.instance_memory().await;
    let instances = api.engine.instances().into_iter().map(|report| instance(&report, &memory, now));
    let unready = api.engine.unready_models().into_iter().map(|state| not_yet(&state));
    let results: Vec<Value> = instances.chain(unready).collect();
    answer::value(StatusCode::OK, &json!({"results": results}))
}

fn instance(report: &InstanceReport, memory: &HashMap<u32, u64>, now: Timestamp) -> Value {
    let figures = &report.figures;
    json!({
        "model": report.model.as_str(),
        "version": report.version.as_str(),
        "state": figures.state.as_str(),
        "pid": figures.pid,
        "memory": figures.pid.and_then(|pid| memory.get(&pid)),
        "since": figures.since.to_string(),
        "seconds": now.since(figures.since).as_secs_f64(),
        "busy": figures.busy,
        "slots": figures.slots,
        "cause": figures.cause,
        "retry_at": figures.retry_at.map(|at| at.to_string()),
        "setup_logs": figures.setup_logs,
    })
}

fn not_yet(state: &ModelState) -> Value {
    let (word, cause) = match &state.unready {
        Unready::Preparing => ("preparing", None),
        Unready::Failed(cause) => ("failed", Some(cause)),
    };
    json!({
        "model": state.model.as_str(),
        "version": state.version.as_str(),
        "state": word,
        "cause": cause,
    })
}
