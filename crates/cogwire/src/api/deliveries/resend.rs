//! Sending messages again: one, or many.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use cogwire_core::id::DeliveryId;
use cogwire_core::prediction::AccountId;
use cogwire_core::wire::ErrorBody;
use cogwire_store::delivery::ResendOutcome;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;

use super::own;
use super::view::DeliveryView;
use crate::api::at::At;
use crate::api::auth::Caller;
use crate::api::members::Members;
use crate::api::{Api, Failure, answer, body};

/// The most messages that one request names.
const MOST: usize = 1000;
/// How many messages are looked at at once. Their commits are made together.
const AT_ONCE: usize = 16;
/// The longest body: ids have 33 characters and a few digits.
const BODY_LIMIT: usize = 128 << 10;

/// `POST /deliveries/{id}/resend`
pub(in crate::api) async fn one(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
) -> Result<Response, Failure> {
    let (delivery, _) = own(&api, &account, &id).await?;
    let (store, now, id) = (Arc::clone(&api.store), api.now(), delivery.id);
    match api.detached(async move { Ok(store.resend(id, now).await?) }).await? {
        ResendOutcome::Queued | ResendOutcome::AlreadyPending => {}
        ResendOutcome::NotStored => return Err(not_stored().into()),
        ResendOutcome::NotFound => return Err(Failure::not_found()),
    }
    let (delivery, attempts) = own(&api, &account, &id.to_string()).await?;
    Ok(answer::value(StatusCode::ACCEPTED, &DeliveryView::with_attempts(&delivery, &attempts)))
}

/// `POST /deliveries/resend`
pub(in crate::api) async fn many(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let ids = read(&body::read(body, BODY_LIMIT).await?)?;
    let owned = Arc::clone(&api);
    let results = api.detached(async move { resend_all(&owned, &account, ids).await }).await?;
    Ok(answer::value(StatusCode::ACCEPTED, &Resent::new(results)))
}

/// What became of messages that were named.
#[derive(Debug, Serialize)]
struct Resent {
    queued: usize,
    results: Vec<ResentOne>,
}

/// What became of one of them.
#[derive(Debug, Serialize)]
struct ResentOne {
    id: String,
    outcome: &'static str,
}

impl Resent {
    fn new(results: Vec<ResentOne>) -> Self {
        let queued = results.iter().filter(|one| one.outcome == name(ResendOutcome::Queued)).count();
        Self { queued, results }
    }
}

fn read(body: &[u8]) -> Result<Vec<String>, ErrorBody> {
    let mut members = Members::read(body, &["ids"])?;
    let ids = members.take("ids");
    if ids.is_none() {
        members.fault("required", "", "ids is required");
    }
    let ids = ids.and_then(|ids| ids_of(&mut members, ids));
    members.finish(ids)
}

fn ids_of(members: &mut Members, ids: Value) -> Option<Vec<String>> {
    let Ok(ids) = serde_json::from_value::<Vec<String>>(ids) else {
        members.fault("invalid_type", "ids", "Invalid type. Expected: array of strings");
        return None;
    };
    match ids.len() {
        0 => members.fault("array_min_items", "ids", "Array must have at least 1 items"),
        1..=MOST => return Some(ids),
        _ => members.fault("array_max_items", "ids", format!("Array must have at most {MOST} items")),
    }
    None
}

async fn resend_all(api: &Api, account: &AccountId, ids: Vec<String>) -> Result<Vec<ResentOne>, Failure> {
    let outcomes = stream::iter(ids).map(|id| async move {
        let outcome = name(resend_own(api, account, &id).await?);
        Ok(ResentOne { id, outcome })
    });
    outcomes.buffered(AT_ONCE).try_collect().await
}

/// Somebody else's message is not found, and neither is a text that is no id.
async fn resend_own(api: &Api, account: &AccountId, id: &str) -> Result<ResendOutcome, Failure> {
    let Ok(id) = id.parse::<DeliveryId>() else { return Ok(ResendOutcome::NotFound) };
    let found = api.store.load(id.prediction).await?;
    if found.is_none_or(|prediction| prediction.request.account != *account) {
        return Ok(ResendOutcome::NotFound);
    }
    Ok(api.store.resend(id, api.now()).await?)
}

fn name(outcome: ResendOutcome) -> &'static str {
    match outcome {
        ResendOutcome::Queued => "queued",
        ResendOutcome::AlreadyPending => "already_pending",
        ResendOutcome::NotStored => "not_stored",
        ResendOutcome::NotFound => "not_found",
    }
}

fn not_stored() -> ErrorBody {
    ErrorBody::new(
        422,
        "This message cannot be sent again: only `completed` messages are kept. GET the prediction for its present state",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said() {
        let details = |body: Value| read(body.to_string().as_bytes()).expect_err("refused").detail;
        let many: Vec<String> = (0..=MOST).map(|number| number.to_string()).collect();
        insta::assert_snapshot!(
            [
                details(json!({})),
                details(json!({"id": ["msg_1"]})),
                details(json!({"ids": "msg_1"})),
                details(json!({"ids": ["msg_1", 2]})),
                details(json!({"ids": []})),
                details(json!({"ids": many})),
            ]
            .join("\n---\n")
        );
        assert_eq!(read(b"[]").expect_err("refused").status, 400);
    }
}
