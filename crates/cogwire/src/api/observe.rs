//! What is known about every request: an id, a span, a duration, and one line in the log when the server failed.

use std::any::Any;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cogwire_core::time::Entropy;
use cogwire_core::wire::ErrorBody;
use tracing::Instrument;

use super::failure::{Cause, problem};
use super::trace::RequestSpan;
use super::{Api, Failure};
use crate::telemetry::Chain;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is taken over from a client, in bytes.
const MAX_REQUEST_ID: usize = 100;

/// Wraps every request. The span names the route and not the path, because some paths are secrets.
pub(super) async fn observe(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let begun = api.now();
    let id = request_id(request.headers(), api.entropy.as_ref());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = known_method(request.method());
    let path = route.as_ref().map(MatchedPath::as_str);
    let traced = RequestSpan::begin(&api, method, path, &id, request.headers_mut());
    // Methods can be any word; a metric's label must not.
    let method = method.unwrap_or("other");
    let span = tracing::info_span!("http", method, route = name_of(route.as_ref()), request_id = %id);
    let mut response = async {
        let response = next.run(request).await;
        told(response, &id)
    }
    .instrument(span)
    .await;
    metrics::histogram!(
        "cogwire_http_request_seconds",
        "route" => name_of(route.as_ref()).to_owned(),
        "method" => method,
        "status" => response.status().as_str().to_owned(),
    )
    .record(api.now().since(begun));
    if let Some(traced) = traced {
        traced.end(&response);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// What a handler that panicked answers.
pub(super) fn panicked(payload: &(dyn Any + Send)) -> Response {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Failure::internal(Panicked(text.unwrap_or_default())).into_response()
}

#[derive(Debug, thiserror::Error)]
#[error("the handler panicked: {0}")]
struct Panicked(String);

/// Logs a failure of the server, and writes the answer that names the request.
fn told(response: Response, id: &str) -> Response {
    let Some(Cause(cause)) = response.extensions().get::<Cause>() else { return response };
    let status = response.status();
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(error = %Chain(cause.as_ref()), "a request failed");
        return problem(&ErrorBody::internal(id));
    }
    tracing::warn!(%status, error = %Chain(cause.as_ref()), "a request was put off");
    response
}

fn name_of(route: Option<&MatchedPath>) -> &str {
    route.map_or("unknown", MatchedPath::as_str)
}

/// The method, if it is one of those that HTTP has.
fn known_method(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

fn request_id(headers: &HeaderMap, entropy: &dyn Entropy) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let usable = |id: &&str| {
        (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    given.filter(usable).map_or_else(|| format!("{:032x}", entropy.bits()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xab);
        }
    }

    #[test]
    fn a_sane_request_id_is_taken_over() {
        let made = "ab".repeat(16);
        let cases = [("req-7/a", "req-7/a"), ("with space", made.as_str()), ("", made.as_str())];
        for (given, expected) in cases {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(given))]);
            assert_eq!(request_id(&headers, &Fixed), expected, "for {given:?}");
        }
        let long = HeaderValue::from_str(&"x".repeat(101)).expect("text");
        assert_eq!(request_id(&HeaderMap::from_iter([(REQUEST_ID, long)]), &Fixed), made);
        assert_eq!(request_id(&HeaderMap::new(), &Fixed), made);
    }

    #[test]
    fn a_failure_of_the_server_names_the_request_and_not_the_cause() {
        let response = told(Failure::internal(Panicked("secret".to_owned())).into_response(), "req-7");
        assert_eq!(response.status(), 500);
        let body = format!("{:?}", response.body());
        assert!(!body.contains("secret"), "{body}");
    }
}
