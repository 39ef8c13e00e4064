//! Who is calling: from the token in a request to an account.
//!
//! Decided before anything else about a request is looked at, as Replicate does, so that strangers learn nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use cogwire_core::prediction::AccountId;
use cogwire_core::wire::ErrorBody;

use super::recent::Recent;
use super::{Api, Failure};
use crate::server::token;

/// How long a token that was found is believed to be still there: a revoked one works no longer than this.
const TRUSTED: Duration = Duration::from_secs(1);
/// The most tokens that are remembered.
const MAX_TOKENS: usize = 10_000;

/// The account that a request acts for.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) AccountId);

/// Tokens that were found in the store a moment ago, by their hashes. Unknown ones are not remembered.
pub(super) struct Tokens(Recent<[u8; 32], AccountId>);

impl Default for Tokens {
    fn default() -> Self {
        Self(Recent::new(TRUSTED, MAX_TOKENS))
    }
}

/// Lets a request with a valid token through, and tells the handler whose it is.
pub(super) async fn authenticate(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let token = token_of(request.headers()).ok_or_else(ErrorBody::no_token)?;
    let account = account_of(&api, token).await?.ok_or_else(ErrorBody::unknown_token)?;
    request.extensions_mut().insert(Caller(account));
    Ok(next.run(request).await)
}

async fn account_of(api: &Api, token: &str) -> Result<Option<AccountId>, Failure> {
    let sha256 = token::hash(token);
    if let Some(given) = api.config.environment_token.as_ref().filter(|given| given.sha256 == sha256) {
        return Ok(Some(given.account.clone()));
    }
    // Taken before the question: what the store says is at least as new as this.
    let now = api.now();
    if let Some(account) = api.tokens.0.get(&sha256, now) {
        return Ok(Some(account));
    }
    let account = api.store.token_account(&sha256).await?;
    if let Some(account) = &account {
        api.tokens.0.put(sha256, account.clone(), now);
    }
    Ok(account)
}

/// The token of `Authorization: Bearer` or `Authorization: Token`.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let known = ["bearer", "token"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    Some(token.trim()).filter(|token| known && !token.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn both_schemes_are_read_in_any_case() {
        let cases = [
            ("Bearer r8_x", Some("r8_x")),
            ("bearer  r8_x ", Some("r8_x")),
            ("TOKEN r8_x", Some("r8_x")),
            ("Basic r8_x", None),
            ("Bearer ", None),
            ("Bearer", None),
            ("r8_x", None),
            ("", None),
        ];
        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            assert_eq!(token_of(&headers), expected, "for {value:?}");
        }
        assert_eq!(token_of(&HeaderMap::new()), None);
    }
}
