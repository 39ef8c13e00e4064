//! What a caller should know about an answer that is a success all the same, said in a header.

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

pub(super) const WARNING: HeaderName = HeaderName::from_static("cogwire-warning");

/// Adds one header for each warning.
pub(super) fn add<'a>(response: &mut Response, warnings: impl IntoIterator<Item = &'a String>) {
    for warning in warnings {
        if let Ok(value) = HeaderValue::from_str(warning) {
            response.headers_mut().append(WARNING, value);
        }
    }
}
