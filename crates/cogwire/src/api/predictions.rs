//! Reading, listing and canceling predictions.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cogwire_core::id::PredictionId;
use cogwire_core::prediction::{AccountId, Kind, Prediction, Source, Status};
use cogwire_core::wire::{Mask, PageCursor, prediction_body};
use cogwire_store::prediction::{Cursor, ListPredictions};

use super::at::At;
use super::auth::Caller;
use super::list::{Page, page_url};
use super::query::Query;
use super::{Api, Failure, answer, caller, warnings};

/// Predictions on a page, as on Replicate.
const PAGE: u32 = 100;

/// `GET /predictions`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Failure> {
    page(&api, account, Kind::Prediction, caller::mask(&headers), &query).await
}

/// `GET /predictions/{id}`
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let prediction = api.own_prediction(&account, &id).await?;
    let mut response = shown(&api, &prediction, caller::mask(&headers));
    warnings::add(&mut response, &api.unserved(&prediction).await);
    Ok(response)
}

/// `POST /predictions/{id}/cancel`
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    Extension(Caller(account)): Extension<Caller>,
    At(id): At<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let prediction = api.own_prediction(&account, &id).await?;
    let canceled = api.cancel(prediction).await?;
    Ok(shown(&api, &canceled, caller::mask(&headers)))
}

impl Api {
    /// The account's prediction or training of this id, or 404: nobody learns that it is somebody else's.
    pub(super) async fn own_prediction(&self, account: &AccountId, id: &str) -> Result<Prediction, Failure> {
        let id: PredictionId = id.parse().map_err(|_| Failure::not_found())?;
        let own = self.store.load(id).await?.filter(|prediction| prediction.request.account == *account);
        own.ok_or_else(Failure::not_found)
    }

    /// The prediction as it is after a cancel; one that has ended is unchanged.
    pub(super) async fn cancel(&self, prediction: Prediction) -> Result<Prediction, Failure> {
        if prediction.status().is_terminal() {
            return Ok(prediction);
        }
        let (engine, id) = (self.engine.clone(), prediction.id());
        let canceled = self.detached(async move { Ok(engine.cancel(id).await?) }).await?;
        canceled.ok_or_else(Failure::not_found)
    }
}

/// The answer that shows a prediction.
pub(super) fn shown(api: &Api, prediction: &Prediction, mask: Mask) -> Response {
    answer::json(StatusCode::OK, prediction_body(prediction, &api.links, mask))
}

/// A page of predictions or of trainings.
pub(super) async fn page(
    api: &Api,
    account: AccountId,
    kind: Kind,
    mask: Mask,
    query: &Query,
) -> Result<Response, Failure> {
    let list = asked(account, kind, query)?;
    let found = api.store.list(&list).await?;
    let frame = frame(list.cursor, found);
    let url = |cursor: PageCursor| page_url(&api.links, &format!("/{kind}s"), query, &cursor);
    let results = frame.rows.iter().map(|row| prediction_body(row, &api.links, mask)).collect();
    Ok(Page { results, next: frame.next.map(url), previous: frame.previous.map(url) }.into_response())
}

fn asked(account: AccountId, kind: Kind, query: &Query) -> Result<ListPredictions, Failure> {
    const STATUSES: [Status; 6] = [
        Status::Starting,
        Status::Processing,
        Status::Succeeded,
        Status::Failed,
        Status::Canceled,
        Status::Aborted,
    ];
    Ok(ListPredictions {
        account,
        kind,
        created_after: query.time("created_after")?,
        created_before: query.time("created_before")?,
        source: query.choice("source", &[Source::Web.as_str(), Source::Api.as_str()])?,
        status: query.choice("status", &STATUSES.map(Status::as_str))?,
        cursor: query.cursor(place)?,
        // One more than is shown tells whether there are more.
        limit: PAGE + 1,
    })
}

fn place(cursor: &PageCursor) -> Option<Cursor> {
    let id = cursor.position.parse().ok()?;
    Some(if cursor.backwards { Cursor::After(id) } else { Cursor::Before(id) })
}

/// The rows of a page, and the pages around it.
struct Frame {
    rows: Vec<Prediction>,
    next: Option<PageCursor>,
    previous: Option<PageCursor>,
}

/// Cuts `found`, which may have a row too many on the far side, to a page.
fn frame(from: Option<Cursor>, mut found: Vec<Prediction>) -> Frame {
    let more = found.len() > PAGE as usize;
    let backwards = matches!(from, Some(Cursor::After(_)));
    if more && backwards {
        found.remove(0);
    }
    found.truncate(PAGE as usize);
    // Whoever came from one side can go back there.
    let (has_next, has_previous) = if backwards { (true, more) } else { (more, from.is_some()) };
    let id = |row: Option<&Prediction>| row.map(|row| row.id().to_string());
    Frame {
        next: id(found.last()).filter(|_| has_next).map(PageCursor::after),
        previous: id(found.first()).filter(|_| has_previous).map(PageCursor::before),
        rows: found,
    }
}

#[cfg(test)]
mod tests {
    use cogwire_core::json::Json;
    use cogwire_core::prediction::Request;
    use cogwire_core::time::Timestamp;

    use super::*;

    fn prediction(number: u64) -> Prediction {
        let created_at = Timestamp::from_micros(i64::try_from(number).expect("small") * 1000);
        Prediction::new(Request {
            id: PredictionId::new(created_at, 0),
            account: AccountId("a".into()),
            kind: Kind::Prediction,
            model: "a/b".parse().expect("a name"),
            version: "9dcd6d78e7c6560c340d916fe32e9f24aabfa331e5cce95fe31f77fb03121426"
                .parse()
                .expect("an id"),
            source: Source::Api,
            created_at,
            input: Json::object(),
            webhook: None,
            cancel_at: None,
            streams: false,
            destination: None,
        })
    }

    /// What a store with these many predictions answers.
    fn found(count: u64, cursor: Option<Cursor>) -> Vec<Prediction> {
        let all = (1..=count).rev().map(prediction);
        let limit = PAGE as usize + 1;
        match cursor {
            None => all.take(limit).collect(),
            Some(Cursor::Before(id)) => all.filter(|row| row.id() < id).take(limit).collect(),
            Some(Cursor::After(id)) => {
                let newer: Vec<Prediction> = all.filter(|row| row.id() > id).collect();
                newer[newer.len().saturating_sub(limit)..].to_vec()
            }
        }
    }

    fn walk(
        count: u64,
        step: impl Fn(&Frame) -> Option<PageCursor>,
        from: Option<Cursor>,
    ) -> (Vec<PredictionId>, Frame) {
        let (mut cursor, mut seen) = (from, Vec::new());
        loop {
            let frame = frame(cursor, found(count, cursor));
            seen.extend(frame.rows.iter().map(Prediction::id));
            match step(&frame) {
                Some(next) => cursor = place(&next),
                None => return (seen, frame),
            }
        }
    }

    #[test]
    fn pages_show_every_row_once_in_both_directions() {
        for count in [0, 1, 99, 100, 101, 200, 201, 250] {
            let all: Vec<PredictionId> = (1..=count).rev().map(|number| prediction(number).id()).collect();
            let (forwards, last) = walk(count, |frame| frame.next.clone(), None);
            assert_eq!(forwards, all, "{count} rows forwards");
            let Some(oldest) = last.rows.last() else { continue };
            let from = Some(Cursor::After(oldest.id()));
            let (mut backwards, _) = walk(count, |frame| frame.previous.clone(), from);
            backwards.push(oldest.id());
            backwards.sort();
            backwards.reverse();
            assert_eq!(backwards, all, "{count} rows backwards");
        }
    }

    #[test]
    fn the_first_page_has_no_previous_and_the_second_has() {
        let first = frame(None, found(150, None));
        assert!(first.previous.is_none());
        let cursor = place(&first.next.expect("a second page"));
        let second = frame(cursor, found(150, cursor));
        assert!(second.next.is_none() && second.previous.is_some());
    }
}
