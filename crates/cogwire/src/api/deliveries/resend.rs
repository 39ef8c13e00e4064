//! Sending messages again: one, many, or all that were given up since some time.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use cogwire_core::id::DeliveryId;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::wire::ErrorBody;
use cogwire_store::delivery::{DeliveryState, ResendOutcome, ResendSince};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;

use super::own;
use super::view::DeliveryView;
use crate::api::at::At;
use crate::api::auth::Caller;
use crate::api::members::Members;
use crate::api::{Api, Failure, answer, body};

/// The most messages that one request names, or that one request for all of them looks at.
const MOST: u32 = 1000;
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
    Ok(answer::value(StatusCode::ACCEPTED, &DeliveryView::with_attempts(&delivery, &attempts, now)))
}

/// `POST /deliveries/resend`
pub(in crate::api) async fn many(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let asked = Asked::read(&body::read(body, BODY_LIMIT).await?)?;
    let owned = Arc::clone(&api);
    match asked {
        Asked::Ids(ids) => {
            let results = api.detached(async move { resend_all(&owned, &account, ids).await }).await?;
            Ok(answer::value(StatusCode::ACCEPTED, &Resent::new(results)))
        }
        Asked::Since { since, after } => {
            let wanted = ResendSince { account, since, after, limit: MOST };
            let found = api.detached(async move { resend_since(&owned, &wanted).await }).await?;
            Ok(answer::value(StatusCode::ACCEPTED, &found))
        }
    }
}

/// Which messages are to be sent again.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// These.
    Ids(Vec<String>),
    /// Those that were made or tried since then, that nobody took, and that follow `after`.
    Since { since: Timestamp, after: Option<DeliveryId> },
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

/// What became of those that were looked for.
#[derive(Debug, Serialize)]
struct ResentSince {
    next: Option<String>,
    queued: u32,
}

impl Resent {
    fn new(results: Vec<ResentOne>) -> Self {
        let queued = results.iter().filter(|one| one.outcome == name(ResendOutcome::Queued)).count();
        Self { queued, results }
    }
}

impl Asked {
    fn read(body: &[u8]) -> Result<Self, ErrorBody> {
        const EITHER: &str = "Either ids or since is required";
        let mut members = Members::read(body, &["after", "ids", "since", "state"])?;
        let (ids, since) = (members.take("ids"), members.take("since"));
        check_state(&mut members, ids.is_some());
        let after = place_of(&mut members, ids.is_some());
        let read = match (ids, since) {
            (Some(ids), None) => ids_of(&mut members, ids).map(Self::Ids),
            (None, Some(since)) => time_of(&mut members, since).map(|since| Self::Since { since, after }),
            (Some(_), Some(_)) => {
                members.fault("number_one_of", "", format!("{EITHER}, and not both"));
                None
            }
            (None, None) => {
                members.fault("required", "", EITHER);
                None
            }
        };
        members.finish(read)
    }
}

/// There is one state that can be asked for; whoever names it is understood by a server that knows more.
fn check_state(members: &mut Members, has_ids: bool) {
    const ONLY: &str = DeliveryState::Exhausted.as_str();
    match members.text("state") {
        Some(_) if has_ids => {
            members.fault("number_one_of", "state", "state goes with since, and not with ids");
        }
        Some(state) if state != ONLY => {
            members.fault("enum", "state", format!("state must be one of the following: \"{ONLY}\""));
        }
        _ => {}
    }
}

/// Where the request before has stopped.
fn place_of(members: &mut Members, has_ids: bool) -> Option<DeliveryId> {
    let text = members.text("after")?;
    if has_ids {
        members.fault("number_one_of", "after", "after goes with since, and not with ids");
    }
    let place = text.parse().ok();
    if place.is_none() {
        members.fault("format", "after", "after must be the next of an earlier answer, as it is");
    }
    place
}

fn ids_of(members: &mut Members, ids: Value) -> Option<Vec<String>> {
    let Ok(ids) = serde_json::from_value::<Vec<String>>(ids) else {
        members.fault("invalid_type", "ids", "Invalid type. Expected: array of strings");
        return None;
    };
    match u32::try_from(ids.len()) {
        Ok(0) => members.fault("array_min_items", "ids", "Array must have at least 1 items"),
        Ok(1..=MOST) => return Some(ids),
        _ => members.fault("array_max_items", "ids", format!("Array must have at most {MOST} items")),
    }
    None
}

fn time_of(members: &mut Members, since: Value) -> Option<Timestamp> {
    let Value::String(text) = since else {
        members.fault("invalid_type", "since", "Invalid type. Expected: string");
        return None;
    };
    let invalid = |error| format!("Does not match format 'date-time': {error}");
    Timestamp::parse(&text).map_err(|error| members.fault("format", "since", invalid(error))).ok()
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

async fn resend_since(api: &Api, wanted: &ResendSince) -> Result<ResentSince, Failure> {
    let found = api.store.resend_since(wanted, api.now()).await?;
    Ok(ResentSince { next: found.next.map(|id| id.to_string()), queued: found.queued })
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

    fn read(body: &Value) -> Result<Asked, ErrorBody> {
        Asked::read(body.to_string().as_bytes())
    }

    #[test]
    fn messages_are_named_or_looked_for() {
        let ids = vec!["msg_1".to_owned(), "msg_2".to_owned()];
        assert_eq!(read(&json!({"ids": ids, "since": null})).expect("valid"), Asked::Ids(ids));
        let since = Timestamp::parse("2026-11-21T09:00:00Z").expect("a time");
        let body = json!({"since": "2026-11-21T10:00:00+01:00", "state": "exhausted"});
        assert_eq!(read(&body).expect("valid"), Asked::Since { since, after: None });
        let place = "msg_01m7ypx542artk8z0sr4q96nv2_2";
        let body = json!({"since": "2026-11-21T09:00:00Z", "after": place});
        let after = Some(place.parse().expect("an id"));
        assert_eq!(read(&body).expect("valid"), Asked::Since { since, after });
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let details = |body| read(&body).expect_err("refused").detail;
        let many: Vec<String> = (0..=MOST).map(|number| number.to_string()).collect();
        insta::assert_snapshot!(
            [
                details(json!({})),
                details(json!({"id": ["msg_1"]})),
                details(json!({"ids": "msg_1"})),
                details(json!({"ids": ["msg_1", 2]})),
                details(json!({"ids": []})),
                details(json!({"ids": many})),
                details(json!({"ids": ["msg_1"], "since": "2026-11-21T09:00:00Z"})),
                details(json!({"ids": ["msg_1"], "state": "exhausted", "after": "msg_01m7ypx542artk8z0sr4q96nv2_2"})),
                details(json!({"since": "2026-11-21T09:00:00Z", "after": "msg_1"})),
                details(json!({"since": "yesterday", "state": "failed", "untill": "now"})),
                details(json!({"since": 1_700_000_000})),
            ]
            .join("\n---\n")
        );
        assert_eq!(Asked::read(b"[]").expect_err("refused").status, 400);
    }
}
