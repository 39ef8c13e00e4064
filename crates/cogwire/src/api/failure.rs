//! What is said when a request does not succeed: one text for the caller, one for the log.

use std::error::Error;
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cogwire_core::wire::ErrorBody;
use cogwire_core::wire::request::InvalidBody;
use {cogwire_engine as engine, cogwire_files as files, cogwire_store as store};

/// How long a client should wait before it tries again after a failure that passes, in seconds.
const RETRY_AFTER: u64 = 1;

/// A request that did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    body: Box<ErrorBody>,
    cause: Option<Cause>,
}

/// Why the server failed, for the log. It travels in the response's extensions, because only the middleware knows which
/// request it is.
#[derive(Debug, Clone)]
pub(super) struct Cause(pub(super) Arc<dyn Error + Send + Sync>);

impl Failure {
    /// A failure of the server that trying again does not help.
    pub(crate) fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        // The middleware writes the body, because it names the request.
        Self { body: Box::new(ErrorBody::new(500, "")), cause: Some(Cause(Arc::new(cause))) }
    }

    /// A failure of the server that passes.
    fn passing(detail: &str, cause: impl Error + Send + Sync + 'static) -> Self {
        let body = ErrorBody::unavailable(detail, RETRY_AFTER);
        Self { body: Box::new(body), cause: Some(Cause(Arc::new(cause))) }
    }

    /// There is no such thing, or it is somebody else's.
    pub(crate) fn not_found() -> Self {
        ErrorBody::not_found().into()
    }
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        Self { body: Box::new(body), cause: None }
    }
}

impl From<InvalidBody> for Failure {
    fn from(invalid: InvalidBody) -> Self {
        match invalid {
            InvalidBody::Invalid(invalid) => ErrorBody::invalid_input(invalid).into(),
            other => ErrorBody::new(400, other.to_string()).into(),
        }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match &error {
            store::Error::Busy => Self::passing(
                "The server is busy. Nothing was changed: the request may be sent again.",
                error,
            ),
            store::Error::Uncertain(_) => Self::passing(
                "The server lost its database before it answered: the request may or may not have been carried out. \
                 A create with an Idempotency-Key may be sent again and happens once.",
                error,
            ),
            error if error.is_temporary() => Self::passing(
                "The server cannot reach its database, or cannot write to it. Nothing was changed: \
                 the request may be sent again.",
                error.clone(),
            ),
            _ => Self::internal(error),
        }
    }
}

impl From<files::Error> for Failure {
    fn from(error: files::Error) -> Self {
        if error.is_full() {
            return Self::passing("The server has no space left for files.", error);
        }
        match error.is_temporary() {
            true => {
                Self::passing("The server cannot reach the storage of its files. Try again shortly.", error)
            }
            false => Self::internal(error),
        }
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::Store(error) => error.into(),
            engine::Error::Files(error) => error.into(),
            // Both are about runs, and no request makes one.
            engine::Error::Produced(_) | engine::Error::NoUpload(_) => Self::internal(error),
            engine::Error::Stopping => ErrorBody::unavailable(
                "The server is stopping. Nothing was changed: the request may be sent again.",
                RETRY_AFTER,
            )
            .into(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = problem(&self.body);
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// The problem document itself.
pub(super) fn problem(body: &ErrorBody) -> Response {
    let status = StatusCode::from_u16(body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = serde_json::to_string(body).expect("an error body is made of texts and numbers");
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
    let mut response = (status, headers, text + "\n").into_response();
    if let Some(seconds) = body.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
