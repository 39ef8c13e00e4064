//! `GET /download/{id}/{name}`: stored files, for whoever has the signed URL.
//!
//! A stranger chose the name and the bytes, so browsers are told not to guess a type and not to run anything.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cogwire_core::time::Clock;
use cogwire_core::wire::ErrorBody;
use cogwire_files::{Download, Files, LinkError, RangeRequest, parse_range};

use super::at::At;
use super::query::Query;
use super::{Api, Failure};

/// The path of every stored file.
pub(super) const PATH: &str = "/download/{id}/{name}";

/// What downloads need.
#[derive(Clone)]
pub(super) struct Stored {
    files: Arc<Files>,
    clock: Arc<dyn Clock>,
}

impl FromRef<Arc<Api>> for Stored {
    fn from_ref(api: &Arc<Api>) -> Self {
        Self { files: Arc::clone(&api.files), clock: Arc::clone(&api.clock) }
    }
}

/// Downloads and nothing else.
pub(super) fn downloads(files: Arc<Files>, clock: Arc<dyn Clock>) -> Router {
    Router::new().route(PATH, get(download)).with_state(Stored { files, clock })
}

/// `GET /download/{id}/{name}?expires=…&signature=…`
pub(super) async fn download(
    State(stored): State<Stored>,
    At((id, name)): At<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let id = id.parse().map_err(|_| Failure::not_found())?;
    let given = |key| query.get(key).unwrap_or_default();
    let (expires, signature) = (given("expires"), given("signature"));
    if let Err(refused) = stored.files.check(id, &name, expires, signature, stored.clock.now()) {
        let status = if refused == LinkError::Expired { 410 } else { 404 };
        return Err(ErrorBody::new(status, refused.to_string()).into());
    }
    let file = stored.files.download(id, &name).await?.ok_or_else(Failure::not_found)?;
    Ok(answer(file, &headers))
}

/// The bytes of a file, or the part of them that is asked for.
pub(super) fn answer(file: Download, headers: &HeaderMap) -> Response {
    let described = described(&file);
    let mut response = if is_known(&file.etag(), headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        content(file, headers)
    };
    response.headers_mut().extend(described);
    response
}

fn content(file: Download, headers: &HeaderMap) -> Response {
    let size = file.size();
    match asked_range(&file, headers) {
        RangeRequest::Whole => sized(StatusCode::OK, size, Body::from_stream(file.stream())),
        RangeRequest::Part(range) => {
            let place = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            let length = range.end - range.start;
            let body = Body::from_stream(file.range(range));
            ([(header::CONTENT_RANGE, place)], sized(StatusCode::PARTIAL_CONTENT, length, body))
                .into_response()
        }
        RangeRequest::Unsatisfiable => {
            let place = format!("bytes */{size}");
            (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, place)]).into_response()
        }
    }
}

fn sized(status: StatusCode, length: u64, body: Body) -> Response {
    (status, [(header::CONTENT_LENGTH, length)], body).into_response()
}

/// A range of an older version of the file is worth nothing: then the whole file is sent.
fn asked_range(file: &Download, headers: &HeaderMap) -> RangeRequest {
    let stale = headers.get(header::IF_RANGE).is_some_and(|tag| tag.as_bytes() != file.etag().as_bytes());
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).filter(|_| !stale);
    range.map_or(RangeRequest::Whole, |range| parse_range(range, file.size()))
}

/// Whether the client has these bytes already.
fn is_known(etag: &str, headers: &HeaderMap) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    tags.flat_map(|tags| tags.split(',')).any(|tag| tag.trim() == "*" || weak(tag) == weak(etag))
}

fn described(file: &Download) -> Vec<(HeaderName, HeaderValue)> {
    let fixed = [
        (header::ACCEPT_RANGES, "bytes"),
        // The link may expire and the data may be removed: a copy may be kept, but must be asked about.
        (header::CACHE_CONTROL, "private, no-cache"),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let made = [
        (header::CONTENT_DISPOSITION, disposition(file.name())),
        (header::CONTENT_TYPE, file.content_type()),
        (header::ETAG, file.etag()),
    ];
    let made = made.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)));
    fixed.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().chain(made).collect()
}

/// `inline`, with the name in both notations: plain for old clients, and as RFC 6266 wants it for every other name.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%') { c } else { '_' })
        .collect();
    let escaped: String = name.bytes().map(escaped).collect();
    format!("inline; filename=\"{plain}\"; filename*=UTF-8''{escaped}")
}

fn escaped(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_both_notations() {
        assert_eq!(disposition("out-0.png"), "inline; filename=\"out-0.png\"; filename*=UTF-8''out-0.png");
        assert_eq!(
            disposition("a \"b\".é"),
            "inline; filename=\"a _b_._\"; filename*=UTF-8''a%20%22b%22.%C3%A9"
        );
        assert!(HeaderValue::from_str(&disposition("line\r\nbreak")).is_ok());
    }

    #[test]
    fn a_copy_that_the_client_has_is_recognised() {
        let known = |value: &'static str, etag: &str| {
            is_known(etag, &HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))]))
        };
        assert!(known("\"a\", \"b\"", "\"b\""));
        assert!(known("W/\"b\"", "\"b\""));
        assert!(known("*", "\"b\""));
        assert!(!known("\"a\"", "\"b\""));
        assert!(!is_known("\"b\"", &HeaderMap::new()));
    }
}
