//! Webhooks from the sender's side: what was sent, what came back, and why something was not sent.

pub(crate) mod explain;
mod report;
pub(super) mod resend;
mod view;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use cogwire_core::id::DeliveryId;
use cogwire_core::prediction::AccountId;
use cogwire_core::wire::PageCursor;
use cogwire_store::delivery::{Attempt, Delivery, DeliveryState, ListDeliveries};

use super::at::At;
use super::auth::Caller;
use super::list::page_url;
use super::query::Query;
use super::{Api, Failure, answer};
use view::{DeliveryPage, DeliveryView, PredictionDeliveries};

/// Deliveries on a page.
const PAGE: u32 = 100;

/// `GET /predictions/{id}/deliveries`
pub(super) async fn of_prediction(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
) -> Result<Response, Failure> {
    let prediction = api.own_prediction(&account, &id).await?;
    // The other way round, what becomes a message in between would be neither owed nor there.
    let lane = api.store.lane(prediction.id()).await?;
    let deliveries = api.store.deliveries(prediction.id()).await?;
    let now = api.now();
    let body = PredictionDeliveries {
        explanation: explain::prediction(&prediction, lane.as_ref(), &deliveries, now),
        owed: view::owed(lane.as_ref()),
        results: deliveries.iter().map(|delivery| DeliveryView::new(delivery, now)).collect(),
    };
    Ok(answer::value(StatusCode::OK, &body))
}

/// `GET /deliveries`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    query: Query,
) -> Result<Response, Failure> {
    query.only(&["state", "cursor"])?;
    let (asked, now) = (asked(account, &query)?, api.now());
    let mut deliveries = api.store.list_deliveries(&asked).await?;
    let more = deliveries.len() > PAGE as usize;
    deliveries.truncate(PAGE as usize);
    let last = deliveries.last().filter(|_| more).map(|last| PageCursor::after(last.id.to_string()));
    let page = DeliveryPage {
        next: last.map(|cursor| page_url(&api.links, "/deliveries", &query, &cursor)),
        previous: None,
        results: deliveries.iter().map(|delivery| DeliveryView::new(delivery, now)).collect(),
    };
    Ok(answer::value(StatusCode::OK, &page))
}

/// `GET /deliveries/{id}`
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
) -> Result<Response, Failure> {
    let (delivery, attempts) = own(&api, &account, &id).await?;
    Ok(answer::value(StatusCode::OK, &DeliveryView::with_attempts(&delivery, &attempts, api.now())))
}

/// The account's delivery of this id with its attempts, or 404.
async fn own(api: &Api, account: &AccountId, id: &str) -> Result<(Delivery, Vec<Attempt>), Failure> {
    let id: DeliveryId = id.parse().map_err(|_| Failure::not_found())?;
    let found = api.store.delivery(id).await?.filter(|(delivery, _)| delivery.account == *account);
    found.ok_or_else(Failure::not_found)
}

fn asked(account: AccountId, query: &Query) -> Result<ListDeliveries, Failure> {
    const STATES: [DeliveryState; 6] = [
        DeliveryState::Pending,
        DeliveryState::Sending,
        DeliveryState::Delivered,
        DeliveryState::Failed,
        DeliveryState::Exhausted,
        DeliveryState::Interrupted,
    ];
    Ok(ListDeliveries {
        account,
        state: query.choice("state", &STATES.map(DeliveryState::as_str))?,
        before: query.cursor(|cursor| cursor.position.parse().ok())?,
        // One more than is shown tells whether there are more.
        limit: PAGE + 1,
    })
}
