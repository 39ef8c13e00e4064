//! Which client is calling, as far as its answer depends on it.

use axum::http::{HeaderMap, header};
use cogwire_core::wire::Mask;

/// Clients that do not know the status `aborted`: they fail to decode it, or poll for ever.
const WITHOUT_ABORTED: [&str; 2] = ["replicate-python/1", "replicate-javascript/"];

/// What this client must not see as it is.
pub(super) fn mask(headers: &HeaderMap) -> Mask {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let old = WITHOUT_ABORTED.iter().any(|old| agent.contains(old));
    if old { Mask::NoAborted } else { Mask::None }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_clients_that_break_on_it_do_not_see_aborted() {
        let cases = [
            ("replicate-python/1.0.7", Mask::NoAborted),
            ("replicate-javascript/1.4.0", Mask::NoAborted),
            ("my-app replicate-javascript/1.0", Mask::NoAborted),
            ("replicate-python/2.0.0-beta.4", Mask::None),
            ("curl/8.0", Mask::None),
        ];
        for (agent, expected) in cases {
            let headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(agent))]);
            assert_eq!(mask(&headers), expected, "for {agent}");
        }
        assert_eq!(mask(&HeaderMap::new()), Mask::None);
    }
}
