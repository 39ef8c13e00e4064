//! Creating a prediction: two rows, one more for each upload that it uses, and no read unless there is an idempotency key.

use cogwire_core::model::ModelName;
use cogwire_core::prediction::{Deadline, Request, Status};
use rusqlite::{Connection, OptionalExtension, params};

use crate::prediction::{CreateOutcome, Idempotency, NewPrediction};
use crate::sqlite::failure::Outcome;
use crate::sqlite::row::{Row, micros};
use crate::sqlite::writer::Batch;

pub(super) fn create(batch: &mut Batch<'_>, new: &NewPrediction) -> Outcome<CreateOutcome> {
    if let Some(key) = &new.idempotency
        && let Some(earlier) = claim_key(batch.db, key, &new.request)?
    {
        return Ok(earlier);
    }
    insert_prediction(batch.db, &new.request)?;
    insert_live(batch.db, new)?;
    insert_uses(batch.db, new)?;
    batch.count_run(&new.request.model);
    Ok(CreateOutcome::Created)
}

fn insert_prediction(db: &Connection, request: &Request) -> Outcome<()> {
    let webhook = request.webhook.as_ref();
    let sql = "INSERT INTO prediction (id, account, kind, model, version, source, status, created_at, cancel_at, streams,
                 input, webhook_url, webhook_origin, webhook_events, webhook_filter, webhook_payload,
                 webhook_options, destination, trace)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";
    db.prepare_cached(sql)?.execute(params![
        request.id.as_str(),
        request.account.0,
        request.kind.as_str(),
        request.model.as_str(),
        request.version.as_str(),
        request.source.as_str(),
        Status::Starting.as_str(),
        request.created_at.as_micros(),
        micros(request.cancel_at),
        request.streams,
        request.input.as_str(),
        webhook.map(|webhook| webhook.url.as_str()),
        webhook.map(|webhook| webhook.origin.as_str()),
        webhook.map(|webhook| webhook.events.bits()),
        webhook.and_then(|webhook| webhook.filter).map(cogwire_core::webhook::event::EventSet::bits),
        webhook.map(|webhook| webhook.payload.as_str()),
        webhook.and_then(|webhook| webhook.options.to_text()),
        request.destination.as_ref().map(ModelName::as_str),
        request.trace.map(|trace| trace.to_string()),
    ])?;
    Ok(())
}

fn insert_live(db: &Connection, new: &NewPrediction) -> Outcome<()> {
    let claimed = i64::from(new.claim.is_some());
    let (deadline, kind) = deadline_columns(new.deadline);
    let sql =
        "INSERT INTO live (prediction_id, version, queued_at, owner, lease_no, run, revision, next_event,
                 deadline, deadline_kind)
               VALUES (?1, ?2, ?3, ?4, ?5, ?5, 0, 0, ?6, ?7)";
    db.prepare_cached(sql)?.execute(params![
        new.request.id.as_str(),
        new.request.version.as_str(),
        new.request.created_at.as_micros(),
        new.claim.as_ref().map(|node| &*node.0),
        claimed,
        deadline,
        kind,
    ])?;
    Ok(())
}

fn insert_uses(db: &Connection, new: &NewPrediction) -> Outcome<()> {
    for upload in &new.uploads {
        let sql = "INSERT INTO upload_use (upload, prediction_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        db.prepare_cached(sql)?.execute([upload.as_str(), new.request.id.as_str()])?;
    }
    Ok(())
}

/// A deadline as its two columns.
pub(super) fn deadline_columns(deadline: Option<Deadline>) -> (Option<i64>, Option<&'static str>) {
    (deadline.map(|deadline| deadline.at.as_micros()), deadline.map(|deadline| deadline.kind.as_str()))
}

/// Takes the key for this request; `Some` when an earlier request has it.
fn claim_key(db: &Connection, key: &Idempotency, request: &Request) -> Outcome<Option<CreateOutcome>> {
    let earlier = key_owner(db, key, request)?;
    if earlier.is_none() {
        let sql =
            "INSERT OR REPLACE INTO idempotency (account, key, request_sha256, prediction_id, expires_at)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let account = &*request.account.0;
        let expires_at = key.expires_at.as_micros();
        let values = params![account, key.key, key.request_sha256, request.id.as_str(), expires_at];
        db.prepare_cached(sql)?.execute(values)?;
    }
    Ok(earlier)
}

/// What a key stands for that has not expired.
fn key_owner(db: &Connection, key: &Idempotency, request: &Request) -> Outcome<Option<CreateOutcome>> {
    let sql = "SELECT key, request_sha256, prediction_id FROM idempotency
               WHERE account = ?1 AND key = ?2 AND expires_at > ?3";
    let values = params![request.account.0, key.key, request.created_at.as_micros()];
    let mut statement = db.prepare_cached(sql)?;
    let found = statement
        .query_row(values, |row| Ok(earlier_outcome(&Row::new("idempotency", row), key)))
        .optional()?;
    found.transpose()
}

fn earlier_outcome(row: &Row<'_>, key: &Idempotency) -> Outcome<CreateOutcome> {
    if row.get::<[u8; 32]>("request_sha256")? == key.request_sha256 {
        return Ok(CreateOutcome::Replayed(row.parse("prediction_id")?));
    }
    Ok(CreateOutcome::KeyReused)
}
