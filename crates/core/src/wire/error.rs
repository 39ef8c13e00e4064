//! The body of an error: `application/problem+json` with Replicate's members.

use serde::Serialize;

use crate::input::{InvalidField, InvalidInput};

/// What is wrong, for the caller. Replicate's clients read `detail` as a plain string.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// A short name of the kind of error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'static str>,
    /// What is wrong, and what to do.
    pub detail: String,
    /// The HTTP status code.
    pub status: u16,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub invalid_fields: Vec<InvalidField>,
    /// Seconds to wait before trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl ErrorBody {
    /// An error with a status and a detail, as most are.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { title: None, detail: detail.into(), status, invalid_fields: Vec::new(), retry_after: None }
    }

    /// 401: there was no token.
    pub fn no_token() -> Self {
        Self { title: Some("Unauthenticated"), ..Self::new(401, "You did not pass an authentication token") }
    }

    /// 401: the token is not known.
    pub fn unknown_token() -> Self {
        Self {
            title: Some("Unauthenticated"),
            ..Self::new(401, "You did not pass a valid authentication token")
        }
    }

    /// 404: the path or the object is not known.
    pub fn not_found() -> Self {
        Self::new(404, "The requested resource could not be found.")
    }

    /// 422: the version is not known.
    pub fn unknown_version() -> Self {
        let detail = "The specified version does not exist (or perhaps you don't have permission to use it?)";
        Self { title: Some("Invalid version or not permitted"), ..Self::new(422, detail) }
    }

    /// 422: the body or the input is not what the schema asks for.
    pub fn invalid_input(invalid: InvalidInput) -> Self {
        let detail = invalid.detail();
        Self {
            title: Some("Input validation failed"),
            invalid_fields: invalid.fields,
            ..Self::new(422, detail)
        }
    }

    /// 405: the path is known, and does not take this method.
    pub fn method_not_allowed(method: &str) -> Self {
        let method: String = method.chars().take(20).collect();
        Self::new(405, format!("Method \"{method}\" not allowed."))
    }

    /// 413: the body is longer than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            413,
            format!(
                "The request body is larger than {limit} bytes: pass large files by URL, or raise body_limit"
            ),
        )
    }

    /// 500: it is not the caller's fault, and the server's log says more under `request_id`.
    pub fn internal(request_id: &str) -> Self {
        Self::new(500, format!("The server failed. Its log says why, under request {request_id}"))
    }

    /// 503: try again after `seconds`.
    pub fn unavailable(detail: impl Into<String>, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(503, detail) }
    }
}
