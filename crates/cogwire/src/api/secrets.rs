//! The secrets that sign the account's webhooks: shown, rotated, retired.
//!
//! Of a shared secret, the key is shown while it is current, because receivers need it; of a private key, only its public one
//! ever is.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::signature::{Secret, SecretKind};
use cogwire_core::wire::ErrorBody;
use cogwire_store::account::{
    MAX_SIGNING, Retired, Retirement, Rotated, Rotation, SecretRow, SecretState, opened,
};
use serde_json::{Value, json};

use super::auth::Caller;
use super::members::Members;
use super::{Api, Failure, answer, body};
use crate::config::duration;

/// The longest overlap, in days. Whoever wants a longer one gives none, and retires the secret by hand.
const MAX_OVERLAP_DAYS: u64 = 365;

/// `GET /webhooks/default/secret`: what the official clients verify with, who know shared secrets only.
pub(super) async fn current(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
) -> Result<Response, Failure> {
    let (rows, now) = (api.store.secrets(&account).await?, api.now());
    let shared = rows.iter().find(|row| row.secret.kind() == SecretKind::Hmac && row.signs(now));
    let secret = opened(&api.vault, &account, shared.ok_or_else(no_shared_secret)?)?;
    Ok(answer::value(StatusCode::OK, &json!({"key": secret.expose()})))
}

/// `GET /webhooks/default/secrets`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
) -> Result<Response, Failure> {
    Ok(answer::value(StatusCode::OK, &json!({"results": views(&api, &account).await?})))
}

/// `POST /webhooks/default/secret/rotate`
pub(super) async fn rotate(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let asked = AskedRotation::read(&body::read(body, api.config.body_limit).await?)?;
    if api.config.secret_is_fixed && asked.kind == SecretKind::Hmac {
        return Err(fixed().into());
    }
    let mut random = [0; 32];
    api.entropy.fill(&mut random);
    let secret = Secret::fresh(asked.kind, &random);
    let (store, now) = (Arc::clone(&api.store), api.now());
    let rotation = Rotation {
        fresh: api.vault.put(&account, &secret, api.entropy.as_ref()),
        overlap_until: asked.overlap.map(|overlap| now + overlap),
    };
    let owner = account.clone();
    match api.detached(async move { Ok(store.rotate_secret(&owner, rotation, now).await?) }).await? {
        Rotated::Done => {}
        Rotated::Full => return Err(full().into()),
    }
    tracing::info!(%account, kind = asked.kind.as_str(), "the signing secret was rotated");
    let of_kind = |view: &Value| view["kind"] == asked.kind.as_str() && view["state"] == "current";
    let made = views(&api, &account).await?.into_iter().find(of_kind);
    Ok(answer::value(StatusCode::CREATED, &made.ok_or_else(Failure::not_found)?))
}

/// `POST /webhooks/default/secret/retire`
pub(super) async fn retire(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let which = asked_retirement(&body::read(body, api.config.body_limit).await?)?;
    let (store, now, owner) = (Arc::clone(&api.store), api.now(), account.clone());
    let retired = api.detached(async move { Ok(store.retire_secrets(&owner, which, now).await?) }).await?;
    let retired = match retired {
        Retired::Done(ids) => ids,
        Retired::NotFound => return Err(Failure::not_found()),
        Retired::HasPrevious => return Err(has_previous().into()),
        Retired::Last => return Err(last().into()),
    };
    tracing::info!(%account, ?retired, "signing secrets were retired");
    Ok(answer::value(StatusCode::OK, &json!({"retired": retired, "results": views(&api, &account).await?})))
}

/// What a rotation is asked to do.
#[derive(Debug)]
struct AskedRotation {
    kind: SecretKind,
    overlap: Option<std::time::Duration>,
}

impl AskedRotation {
    fn read(body: &[u8]) -> Result<Self, ErrorBody> {
        let mut members = Members::read(or_empty(body), &["overlap", "kind"])?;
        let overlap = members.text("overlap").and_then(|text| {
            let most = std::time::Duration::from_secs(MAX_OVERLAP_DAYS * 24 * 60 * 60);
            let overlap = duration(&text).filter(|overlap| *overlap <= most);
            if overlap.is_none() {
                let expected = format!("Expected a time such as 0s, 24h or 7d, up to {MAX_OVERLAP_DAYS}d");
                members.fault("format", "overlap", expected);
            }
            overlap
        });
        let kind = match members.text("kind").map(|text| text.parse()) {
            None => Some(SecretKind::Hmac),
            Some(Ok(kind)) => Some(kind),
            Some(Err(unknown)) => {
                members.fault("enum", "kind", sentence(&unknown));
                None
            }
        };
        members.finish(kind.map(|kind| Self { kind, overlap }))
    }
}

fn asked_retirement(body: &[u8]) -> Result<Retirement, ErrorBody> {
    let mut members = Members::read(or_empty(body), &["id"])?;
    let which = match members.take("id") {
        None => Some(Retirement::Previous),
        Some(id) => {
            let id = id.as_i64().map(Retirement::One);
            if id.is_none() {
                members.fault("invalid_type", "id", "Invalid type. Expected: integer");
            }
            id
        }
    };
    members.finish(which)
}

/// A request that wants nothing in particular needs no body.
fn or_empty(body: &[u8]) -> &[u8] {
    if body.is_empty() { b"{}" } else { body }
}

fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// All that there are, the newest first.
async fn views(api: &Api, account: &AccountId) -> Result<Vec<Value>, Failure> {
    let (rows, now) = (api.store.secrets(account).await?, api.now());
    let view = |row: &SecretRow| {
        let state = row.state(&rows, now);
        let secret = match state {
            SecretState::Retired => None,
            _ => Some(opened(&api.vault, account, row)?),
        };
        Ok(view(row, state, secret.as_ref()))
    };
    rows.iter().map(view).collect()
}

fn view(row: &SecretRow, state: SecretState, secret: Option<&Secret>) -> Value {
    let kind = row.secret.kind();
    let shown = secret.filter(|_| kind == SecretKind::Hmac && state == SecretState::Current);
    json!({
        "id": row.id,
        "kind": kind.as_str(),
        "state": state.as_str(),
        "created_at": row.created_at.to_string(),
        "signs_until": row.signs_until.map(|until: Timestamp| until.to_string()),
        "key": shown.map(Secret::expose),
        "public_key": secret.and_then(Secret::public_key),
    })
}

fn no_shared_secret() -> Failure {
    let detail = "This account has no shared secret: its webhooks are signed with a private key only. \
                  GET /v1/webhooks/default/secrets shows the public key";
    ErrorBody::new(404, detail).into()
}

fn fixed() -> ErrorBody {
    let detail = "The configuration says which secret signs (COGWIRE_WEBHOOK_SECRET): change it there and restart, or leave it \
                  out to rotate here. A private key (\"kind\": \"ed25519\") can be rotated here";
    ErrorBody::new(409, detail)
}

fn full() -> ErrorBody {
    let detail = format!(
        "{MAX_SIGNING} secrets sign already, each with an entry in every request's signature header. Nothing was changed. \
         Retire those that no receiver needs any more: POST /v1/webhooks/default/secret/retire, or \
         `cogwire webhooks secret retire`"
    );
    ErrorBody::new(409, detail)
}

fn has_previous() -> ErrorBody {
    let detail = "This is the current secret, and older ones of its kind would sign without it. Nothing was changed. Retire \
                  those first, or rotate";
    ErrorBody::new(409, detail)
}

fn last() -> ErrorBody {
    let detail = "Nothing would sign without this secret. Nothing was changed. To replace it, rotate";
    ErrorBody::new(409, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(body: &str) -> Result<(SecretKind, Option<u64>), String> {
        let asked = AskedRotation::read(body.as_bytes()).map_err(|refused| refused.detail)?;
        Ok((asked.kind, asked.overlap.map(|overlap| overlap.as_secs())))
    }

    #[test]
    fn rotations_are_read() {
        for (body, expected) in [
            ("", (SecretKind::Hmac, None)),
            ("{}", (SecretKind::Hmac, None)),
            (r#"{"overlap": "24h", "kind": null}"#, (SecretKind::Hmac, Some(86_400))),
            (r#"{"overlap": "0s", "kind": "ed25519"}"#, (SecretKind::Ed25519, Some(0))),
        ] {
            assert_eq!(rotation(body), Ok(expected), "for {body}");
        }
    }

    #[test]
    fn retirements_are_read() {
        let read = |body: &str| asked_retirement(body.as_bytes()).ok();
        assert_eq!(read(""), Some(Retirement::Previous));
        assert_eq!(read(r#"{"id": 3}"#), Some(Retirement::One(3)));
        assert_eq!(read(r#"{"id": "3"}"#), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let refusals = [
            rotation(r#"{"overlap": "24"}"#),
            rotation(r#"{"overlap": "366d", "kind": "rsa"}"#),
            rotation(r#"{"overlap": 24, "knid": "hmac"}"#),
            rotation("[]"),
            asked_retirement(br#"{"id": "3"}"#)
                .map(|_| (SecretKind::Hmac, None))
                .map_err(|refused| refused.detail),
            Err(fixed().detail),
            Err(full().detail),
            Err(has_previous().detail),
            Err(last().detail),
        ];
        let refusals: Vec<String> =
            refusals.into_iter().map(|refused| refused.expect_err("refused")).collect();
        insta::assert_snapshot!(refusals.join("\n---\n"));
    }
}
