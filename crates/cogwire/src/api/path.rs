//! One spelling for every path.
//!
//! The clients disagree about whether the base URL ends in `/v1`, and join paths with too many slashes. So the API answers
//! at `/v1`, at the root and at `/v1/v1`. What is not part of the API is served at the root only.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// The first segments that are not part of the API.
const AT_ROOT: [&str; 5] = ["healthz", "readyz", "metrics", "p", "download"];

/// Gives the request the path that the routes know.
pub(super) fn normalise<B>(mut request: Request<B>) -> Request<B> {
    if let Some(uri) = normalised(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

/// The URI with the usual spelling of its path; `None` when it has that already.
fn normalised(uri: &Uri) -> Option<Uri> {
    let path = usual_spelling(uri.path())?;
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

fn usual_spelling(path: &str) -> Option<String> {
    let is_usual = path.starts_with("/v1/")
        && !path.starts_with("/v1/v1")
        && !path.ends_with('/')
        && !path.contains("//");
    if is_usual {
        return None;
    }
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.starts_with(&["v1", "v1"]) {
        segments.remove(0);
    }
    if segments.is_empty() {
        return None;
    }
    let at_root = segments.first().is_some_and(|first| AT_ROOT.contains(first));
    if !at_root && segments.first() != Some(&"v1") {
        segments.insert(0, "v1");
    }
    Some(format!("/{}", segments.join("/"))).filter(|spelling| spelling != path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_base_leads_to_the_same_path() {
        let table = [
            ("/v1/predictions", "/v1/predictions"),
            ("/predictions", "/v1/predictions"),
            ("/v1/v1/predictions", "/v1/predictions"),
            ("//v1//predictions/", "/v1/predictions"),
            ("/v1/predictions/?cursor=a//b/", "/v1/predictions?cursor=a//b/"),
            ("/v1/v1x", "/v1/v1x"),
            ("/models/a%2Fb/c?x", "/v1/models/a%2Fb/c?x"),
            ("/healthz/", "/healthz"),
            ("/v1/healthz", "/v1/healthz"),
            ("/p/abc?key=1", "/p/abc?key=1"),
            ("/download//id/name.png", "/download/id/name.png"),
            ("/", "/"),
            ("/v1", "/v1"),
            ("/v1/v1", "/v1"),
        ];
        for (given, expected) in table {
            let request = Request::builder().uri(given).body(()).expect("a request");
            assert_eq!(normalise(request).uri().to_string(), expected, "for {given}");
        }
    }

    proptest! {
        #[test]
        fn the_usual_spelling_stays(path in "(/|/v1|/p|/healthz|/[a-z.%0-9-]{1,5}){0,6}") {
            let path = format!("/{path}");
            let once = usual_spelling(&path).unwrap_or(path);
            // `/v1/v1/v1` keeps a segment that means nothing; it is not found either way.
            prop_assume!(!once.starts_with("/v1/v1"));
            prop_assert_eq!(usual_spelling(&once), None);
        }
    }
}
