//! `GET /events`: how predictions and trainings ended, in the order of their commits.
//!
//! A receiver that was down reads what it missed, from where it was. The cursor is a place in the order of commits, so whatever
//! is committed later is found after it, whoever began it first. Events are not kept for ever: a reader that comes too late is
//! told.

mod asked;
mod page;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use cogwire_core::prediction::AccountId;
use tokio::sync::watch;

use super::auth::Caller;
use super::query::Query;
use super::{Api, Failure, answer};
use asked::{After, Asked};
use page::{Page, Place};

/// The longest pause between two looks: that something has ended may be said to nobody.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest: ends may come by the hundred, and most of them without an event.
const BREATH: Duration = Duration::from_millis(50);

/// `GET /events`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    query: Query,
) -> Result<Response, Failure> {
    let asked = Asked::read(&query)?;
    let page = api.events(&account, &asked).await?;
    Ok(answer::json(StatusCode::OK, page.into_json()))
}

impl Api {
    /// A page of events. An empty one is given when the time is up, or the server stops.
    async fn events(&self, account: &AccountId, asked: &Asked) -> Result<Page, Failure> {
        let mut over = self.clock.sleep(asked.wait);
        // Before the first look: an end that comes at once is not missed.
        let mut ends = self.engine.ends();
        let place = self.place(account, &asked.after).await?;
        loop {
            let rows = self.store.events(account, place.cursor(), asked.limit).await?;
            let page = Page::new(rows, place, self.store.last_gone_event(account).await?);
            if page.is_news() || asked.wait.is_zero() {
                return Ok(page);
            }
            tokio::select! {
                () = &mut over => return Ok(page),
                () = self.engine.stopping().cancelled() => return Ok(page),
                () = self.next_end(&mut ends) => {}
                () = self.clock.sleep(LOOK) => {}
            }
        }
    }

    async fn place(&self, account: &AccountId, after: &After) -> Result<Place, Failure> {
        Ok(match after {
            After::Start => Place::Any(None),
            After::Now => Place::Any(self.store.latest_event(account).await?),
            After::Event(cursor) => Place::Seen(*cursor),
        })
    }

    async fn next_end(&self, ends: &mut watch::Receiver<u64>) {
        self.clock.sleep(BREATH).await;
        if ends.changed().await.is_err() {
            // The engine has gone; the server stops.
            std::future::pending::<()>().await;
        }
    }
}
