//! Reading predictions: one, or a page of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use cogwire_core::id::PredictionId;
use cogwire_core::json::Json;
use cogwire_core::prediction::{
    AccountId, Chunk, Content, Ended, Outcome as End, OutputContent, Prediction, Request, State, Status,
};
use cogwire_core::webhook::event::{EventSet, Webhook};
use rusqlite::{Connection, OptionalExtension, params};

use crate::prediction::ListPredictions;
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::Row;

/// The columns of a prediction besides its logs, for a query over `prediction p LEFT JOIN live l`.
macro_rules! columns {
    () => {
        "p.id, p.account, p.kind, p.model, p.version, p.source, p.status, p.created_at, p.started_at, p.completed_at,
         p.cancel_at, p.streams, p.input, p.webhook_url, p.webhook_origin, p.webhook_events, p.webhook_filter,
         p.webhook_payload, p.webhook_options, p.output, p.metrics, p.error, p.data_removed, p.destination, p.trace,
         COALESCE(l.revision, p.revision) AS revision, COALESCE(l.next_event, p.next_event) AS next_event"
    };
}

const ONE: &str = concat!(
    "SELECT ",
    columns!(),
    ", p.logs FROM prediction p LEFT JOIN live l ON l.prediction_id = p.id WHERE p.id = ?1"
);

macro_rules! page {
    ($direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", NULL AS logs FROM prediction p LEFT JOIN live l ON l.prediction_id = p.id
             WHERE p.id > ?1 AND p.id < ?2 AND p.account = ?3 AND p.kind = ?4 AND p.created_at >= ?5 AND p.created_at < ?6
               AND (?7 IS NULL OR p.source = ?7) AND (?8 IS NULL OR p.status = ?8)
             ORDER BY p.id ",
            $direction,
            " LIMIT ?9"
        )
    };
}

const NEWEST_FIRST: &str = page!("DESC");
const OLDEST_FIRST: &str = page!("ASC");

/// The prediction with all its content.
pub(in crate::sqlite) fn load(db: &Connection, id: PredictionId) -> Outcome<Option<Prediction>> {
    let mut statement = db.prepare_cached(ONE)?;
    let found =
        statement.query_row([id.as_str()], |row| Ok(prediction(&Row::new("prediction", row)))).optional()?;
    let mut found = found.transpose()?;
    if let Some(prediction) = &mut found {
        fold_chunks(db, prediction)?;
    }
    Ok(found)
}

/// A page of predictions, newest first.
pub(super) fn list(db: &Connection, query: &ListPredictions) -> Outcome<Vec<Prediction>> {
    let backwards = query.is_backwards();
    let mut page = read_page(db, query, if backwards { OLDEST_FIRST } else { NEWEST_FIRST })?;
    if backwards {
        page.reverse();
    }
    for prediction in &mut page {
        fold_chunks(db, prediction)?;
        prediction.content.logs.clear();
    }
    Ok(page)
}

fn read_page(db: &Connection, query: &ListPredictions, sql: &str) -> Outcome<Vec<Prediction>> {
    let (above, below) = query.id_range();
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![
        above,
        below,
        query.account.0,
        query.kind.as_str(),
        query.created_after.map_or(i64::MIN, cogwire_core::time::Timestamp::as_micros),
        query.created_before.map_or(i64::MAX, cogwire_core::time::Timestamp::as_micros),
        query.source.map(cogwire_core::prediction::Source::as_str),
        query.status.map(Status::as_str),
        query.limit,
    ])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(prediction(&Row::new("prediction", row))?);
    }
    Ok(page)
}

/// Takes in what has been said so far; a prediction that has ended has it in its own row.
fn fold_chunks(db: &Connection, prediction: &mut Prediction) -> Outcome<()> {
    if prediction.next_event == 0 || prediction.status().is_terminal() {
        return Ok(());
    }
    let mut statement = db.prepare_cached(
        "SELECT prediction_id, first_event, events FROM chunk WHERE prediction_id = ?1 ORDER BY 2",
    )?;
    let mut rows = statement.query([prediction.id().as_str()])?;
    while let Some(row) = rows.next()? {
        let chunk = chunk(&Row::new("chunk", row))?;
        chunk.events.iter().for_each(|event| prediction.content.absorb(event));
    }
    Ok(())
}

/// Decodes a row of `chunk`.
pub(super) fn chunk(row: &Row<'_>) -> Outcome<Chunk> {
    let first = row.count("first_event")?;
    Chunk::decode(first, row.text("events")?).map_err(|error| row.corrupt("events", &error))
}

fn prediction(row: &Row<'_>) -> Outcome<Prediction> {
    Ok(Prediction {
        request: Arc::new(request(row)?),
        state: state(row)?,
        content: result(row)?,
        revision: row.count("revision")?,
        next_event: row.count("next_event")?,
        data_removed: row.get("data_removed")?,
    })
}

fn request(row: &Row<'_>) -> Outcome<Request> {
    Ok(Request {
        id: row.parse("id")?,
        account: AccountId(row.text("account")?.into()),
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

fn webhook(row: &Row<'_>) -> Outcome<Option<Webhook>> {
    let Some(url) = row.get("webhook_url")? else { return Ok(None) };
    Ok(Some(Webhook {
        url,
        origin: row.get("webhook_origin")?,
        events: EventSet::from_bits(row.get("webhook_events")?),
        filter: row.get::<Option<u8>>("webhook_filter")?.map(EventSet::from_bits),
        payload: row.parse("webhook_payload")?,
        options: row.parse_optional("webhook_options")?.unwrap_or_default(),
    }))
}

fn state(row: &Row<'_>) -> Outcome<State> {
    let outcome = match row.parse("status")? {
        Status::Starting => return Ok(State::Starting),
        Status::Processing => return Ok(State::Processing { started_at: row.time("started_at")? }),
        Status::Succeeded => End::Succeeded,
        Status::Failed => End::Failed(row.get("error")?),
        Status::Canceled => End::Canceled,
        Status::Aborted => End::Aborted,
    };
    let started_at = row.optional_time("started_at")?;
    Ok(State::Ended(Ended { outcome, started_at, completed_at: row.time("completed_at")? }))
}

/// What is in the row; nothing before the end.
fn result(row: &Row<'_>) -> Outcome<Content> {
    Ok(Content {
        logs: row.get::<Option<String>>("logs")?.unwrap_or_default(),
        output: row.optional_json("output")?.map_or(OutputContent::None, OutputContent::Value),
        metrics: metrics(row)?,
    })
}

fn metrics(row: &Row<'_>) -> Outcome<BTreeMap<String, Json>> {
    let text: Option<String> = row.get("metrics")?;
    let metrics = text.map_or(Ok(BTreeMap::new()), |text| serde_json::from_str(&text));
    metrics.map_err(|error| row.corrupt("metrics", &error))
}
