//! Reading predictions: one, or a page of them. State and content are of one moment: each is one statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use cogwire_core::id::PredictionId;
use cogwire_core::json::Json;
use cogwire_core::prediction::{
    AccountId, Chunk, Content, Ended, Outcome as End, OutputContent, Prediction, Request, State, Status,
};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::{EventSet, Webhook};

use crate::postgres::database::Db;
use crate::postgres::failure::Outcome;
use crate::postgres::row::Row;
use crate::prediction::ListPredictions;

/// The columns of a prediction besides its logs and chunks, for a query over `prediction p` and `live l`.
macro_rules! columns {
    () => {
        "p.id, p.account, p.kind, p.model, p.version, p.source, p.status, p.created_at, p.started_at, p.completed_at,
         p.cancel_at, p.streams, p.input, p.webhook_url, p.webhook_origin, p.webhook_events, p.webhook_filter,
         p.webhook_payload, p.webhook_options, p.output, p.metrics, p.error, p.data_removed, p.destination, p.trace,
         COALESCE(l.revision, p.revision) AS revision, COALESCE(l.next_event, p.next_event) AS next_event"
    };
}

/// What has been said so far; a prediction that has ended has it in its own row.
macro_rules! chunks {
    () => {
        "CASE WHEN l.next_event > 0 THEN
           ARRAY(SELECT chunk.events FROM chunk WHERE chunk.prediction_id = p.id ORDER BY chunk.first_event)
         END AS chunks"
    };
}
pub(super) use {chunks, columns};

macro_rules! from {
    () => {
        " FROM prediction AS p LEFT JOIN live AS l ON l.prediction_id = ANY (ARRAY[p.id]) "
    };
}

pub(in crate::postgres) const ONE: &str =
    concat!("SELECT ", columns!(), ", p.logs, ", chunks!(), from!(), "WHERE p.id = $1");

macro_rules! page {
    ($direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", NULL::bytea AS logs, ",
            chunks!(),
            from!(),
            "WHERE p.id > $1 AND p.id < $2 AND p.account = $3 AND p.kind = $4 AND p.created_at >= $5
               AND p.created_at < $6 AND ($7::text IS NULL OR p.source = $7) AND ($8::text IS NULL OR p.status = $8)
             ORDER BY p.id ",
            $direction,
            " LIMIT $9"
        )
    };
}

pub(in crate::postgres) const NEWEST_FIRST: &str = page!("DESC");
pub(in crate::postgres) const OLDEST_FIRST: &str = page!("ASC");

/// The prediction with all its content.
pub(super) async fn load(db: Db, id: PredictionId) -> Outcome<Option<Prediction>> {
    let row = db.query_optional(ONE, &[&id.as_str()]).await?;
    row.map(|row| prediction(Row::new("prediction", &row))).transpose()
}

/// A page of predictions, newest first.
pub(super) async fn list(db: Db, query: &ListPredictions) -> Outcome<Vec<Prediction>> {
    let backwards = query.is_backwards();
    let (above, below) = query.id_range();
    let rows = db
        .query(
            if backwards { OLDEST_FIRST } else { NEWEST_FIRST },
            &[
                &above,
                &below,
                &&*query.account.0,
                &query.kind.as_str(),
                &query.created_after.map_or(i64::MIN, Timestamp::as_micros),
                &query.created_before.map_or(i64::MAX, Timestamp::as_micros),
                &query.source.map(cogwire_core::prediction::Source::as_str),
                &query.status.map(Status::as_str),
                &i64::from(query.limit),
            ],
        )
        .await?;
    let mut page =
        rows.iter().map(|row| prediction(Row::new("prediction", row))).collect::<Outcome<Vec<_>>>()?;
    if backwards {
        page.reverse();
    }
    page.iter_mut().for_each(|prediction| prediction.content.logs.clear());
    Ok(page)
}

/// Decodes a row that has all columns, logs and chunks.
pub(super) fn prediction(row: Row<'_>) -> Outcome<Prediction> {
    Ok(Prediction {
        request: Arc::new(request(row)?),
        state: state(row)?,
        content: content(row)?,
        revision: row.count("revision")?,
        next_event: row.count("next_event")?,
        data_removed: row.get("data_removed")?,
    })
}

fn request(row: Row<'_>) -> Outcome<Request> {
    Ok(Request {
        id: row.parse("id")?,
        account: AccountId(row.get::<&str>("account")?.into()),
        kind: row.parse("kind")?,
        model: row.parse("model")?,
        version: row.parse("version")?,
        source: row.parse("source")?,
        created_at: row.time("created_at")?,
        input: row.json("input")?,
        webhook: webhook(row)?,
        cancel_at: row.optional_time("cancel_at")?,
        streams: row.get("streams")?,
        destination: row.parse_optional("destination")?,
        trace: row.parse_optional("trace")?,
    })
}

fn webhook(row: Row<'_>) -> Outcome<Option<Webhook>> {
    let Some(url) = row.get("webhook_url")? else { return Ok(None) };
    Ok(Some(Webhook {
        url,
        origin: row.get("webhook_origin")?,
        events: EventSet::from_bits(row.number("webhook_events")?),
        filter: row.optional_number("webhook_filter")?.map(EventSet::from_bits),
        payload: row.parse("webhook_payload")?,
        options: row.parse_optional("webhook_options")?.unwrap_or_default(),
    }))
}

fn state(row: Row<'_>) -> Outcome<State> {
    let outcome = match row.parse("status")? {
        Status::Starting => return Ok(State::Starting),
        Status::Processing => return Ok(State::Processing { started_at: row.time("started_at")? }),
        Status::Succeeded => End::Succeeded,
        Status::Failed => End::Failed(row.raw_text("error")?.to_owned()),
        Status::Canceled => End::Canceled,
        Status::Aborted => End::Aborted,
    };
    let started_at = row.optional_time("started_at")?;
    Ok(State::Ended(Ended { outcome, started_at, completed_at: row.time("completed_at")? }))
}

/// The result, or what has been said so far.
fn content(row: Row<'_>) -> Outcome<Content> {
    let mut content = Content {
        logs: row.optional_raw_text("logs")?.unwrap_or_default().to_owned(),
        output: row.optional_json("output")?.map_or(OutputContent::None, OutputContent::Value),
        metrics: metrics(row)?,
    };
    for events in row.get::<Option<Vec<&str>>>("chunks")?.unwrap_or_default() {
        // Only what was said matters here, and not under which numbers.
        let chunk = Chunk::decode(0, events).map_err(|error| row.corrupt("chunks", &error))?;
        chunk.events.iter().for_each(|event| content.absorb(event));
    }
    Ok(content)
}

fn metrics(row: Row<'_>) -> Outcome<BTreeMap<String, Json>> {
    let text: Option<&str> = row.get("metrics")?;
    let metrics = text.map_or(Ok(BTreeMap::new()), serde_json::from_str);
    metrics.map_err(|error| row.corrupt("metrics", &error))
}
