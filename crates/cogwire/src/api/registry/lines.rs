//! An answer that is a JSON object in each line, written while something is done.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cogwire_core::model::Version;
use cogwire_core::time::Clock;
use cogwire_core::wire::version_body;
use cogwire_engine::{AddError, Telling};
use futures_util::stream;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// After this long without anything to say, a line says so: nobody between here and the client takes the silence for an end.
const SILENCE: Duration = Duration::from_secs(15);

/// One line.
pub(super) struct Line(String);

impl Line {
    /// The last line when nothing was added, and why.
    pub(super) fn failed(why: &str) -> Self {
        Self::of("failed", why)
    }

    fn of(kind: &str, text: &str) -> Self {
        Self(json!({"type": kind, "text": text}).to_string())
    }

    fn added(version: &Version) -> Self {
        Self(format!(r#"{{"type":"added","version":{}}}"#, version_body(version)))
    }
}

impl From<Telling> for Line {
    fn from(telling: Telling) -> Self {
        match telling {
            Telling::Step(text) => Self::of("step", &text),
            Telling::Log(text) => Self::of("log", &text),
            Telling::Warning(text) => Self::of("warning", &text),
        }
    }
}

/// The work whose course is written.
type Work = JoinHandle<Result<Version, AddError>>;

/// Writes what is told, and in the end what came of it.
pub(super) fn answer(told: mpsc::Receiver<Telling>, work: Work, clock: Arc<dyn Clock>) -> Response {
    let lines = stream::unfold(Some((told, work)), move |state| {
        let clock = Arc::clone(&clock);
        async move {
            let (line, state) = next(state?, clock.as_ref()).await;
            Some((Ok::<_, Infallible>(Bytes::from(line.0 + "\n")), state))
        }
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::OK, headers, Body::from_stream(lines)).into_response()
}

async fn next(
    (mut told, work): (mpsc::Receiver<Telling>, Work),
    clock: &dyn Clock,
) -> (Line, Option<(mpsc::Receiver<Telling>, Work)>) {
    let telling = tokio::select! {
        telling = told.recv() => telling,
        () = clock.sleep(SILENCE) => return (Line(json!({"type": "wait"}).to_string()), Some((told, work))),
    };
    match telling {
        Some(telling) => (telling.into(), Some((told, work))),
        // Nobody tells any more: the work is done.
        None => (last(work).await, None),
    }
}

async fn last(work: Work) -> Line {
    match work.await {
        Ok(Ok(version)) => Line::added(&version),
        Ok(Err(error)) => Line::failed(&error.explained()),
        Err(broken) => {
            tracing::error!(%broken, "adding a model broke off");
            Line::failed("The server failed. Its log says why")
        }
    }
}
