//! Creating predictions: many at once, and those with an idempotency key one by one.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cogwire_core::id::PredictionId;
use cogwire_core::model::ModelName;
use cogwire_core::prediction::{Request, Status};
use cogwire_core::webhook::event::EventSet;

use super::portion::{Member, in_portions};
use crate::error::Result;
use crate::postgres::columns::Columns;
use crate::postgres::database::{Class, Database, Db, Repeat};
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, micros};
use crate::prediction::{CreateOutcome, Idempotency, NewPrediction};

/// Writes new predictions. The counter comes last: its row is locked until the flush, and every other batch of creates of
/// the same model waits for it. (What comes first in the text is run last.)
pub(in crate::postgres) const CREATE: &str = "
    WITH counted AS (
      INSERT INTO model_run (model, runs)
      SELECT model, count(*) FROM unnest($4::text[]) AS model GROUP BY model ORDER BY model
      ON CONFLICT (model) DO UPDATE SET runs = model_run.runs + excluded.runs),
    begun AS (
      INSERT INTO live (prediction_id, version, queued_at, owner, lease_no, run, revision, next_event, deadline,
        deadline_kind)
      SELECT id, version, created_at, owner, claimed, claimed, 0, 0, deadline, deadline_kind
      FROM unnest($1::text[], $5::text[], $8::bigint[], $17::text[], $18::bigint[], $19::bigint[], $20::text[])
        AS new (id, version, created_at, owner, claimed, deadline, deadline_kind)),
    used AS (
      INSERT INTO upload_use (upload, prediction_id) SELECT * FROM unnest($22::text[], $23::text[])
      ON CONFLICT (upload, prediction_id) DO NOTHING)
    INSERT INTO prediction (id, account, kind, model, version, source, status, created_at, cancel_at, streams, input,
      webhook_url, webhook_origin, webhook_events, webhook_filter, webhook_payload, destination, webhook_options,
      trace)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
      $9::bigint[], $10::boolean[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::text[],
      $21::text[], $24::text[], $25::text[])";

/// Takes a key for a request, unless an earlier request has it that has not expired. Of two nodes that use it at once, one
/// waits for the other.
const TAKE_KEY: &str = "
    INSERT INTO idempotency (account, key, request_sha256, prediction_id, expires_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (account, key) DO UPDATE SET request_sha256 = excluded.request_sha256,
      prediction_id = excluded.prediction_id, expires_at = excluded.expires_at
    WHERE idempotency.expires_at <= $6";

impl Member for NewPrediction {
    fn id(&self) -> &str {
        self.request.id.as_str()
    }

    fn size(&self) -> usize {
        self.request.input.as_str().len()
    }
}

/// Creates predictions without idempotency keys.
pub(super) async fn create(
    database: Database,
    new: Vec<Arc<NewPrediction>>,
) -> Result<Vec<Result<CreateOutcome>>> {
    Ok(in_portions(new, |portion| create_portion(&database, portion)).await)
}

async fn create_portion(
    database: &Database,
    new: Vec<Arc<NewPrediction>>,
) -> Result<Vec<Result<CreateOutcome>>> {
    let repeated = AtomicBool::new(false);
    database
        .write(Class::Api, Repeat::Safe, |db| {
            let repeats = repeated.swap(true, Ordering::Relaxed);
            let new = &new;
            async move { if repeats { insert_rest(&db, new).await } else { insert(&db, new).await } }
        })
        .await?;
    Ok(new.iter().map(|_| Ok(CreateOutcome::Created)).collect())
}

/// Goes on after a try whose outcome nobody knows. Ids are random: one that is there already is from that try. The try
/// itself may still be under way, in a session that does not know yet that nobody listens: then it is waited for, and its
/// ids turn out to be there after all.
async fn insert_rest(db: &Db, new: &[Arc<NewPrediction>]) -> Outcome<()> {
    let mut there = existing(db, new).await?;
    loop {
        let rest: Vec<_> = new.iter().filter(|new| !there.contains(&new.request.id)).cloned().collect();
        let Err(failure) = insert(db, &rest).await else { return Ok(()) };
        let before = there.len();
        there = existing(db, new).await?;
        if !failure.is_duplicate() || there.len() == before {
            return Err(failure);
        }
    }
}

async fn existing(db: &Db, new: &[Arc<NewPrediction>]) -> Outcome<HashSet<PredictionId>> {
    let ids: Vec<&str> = new.iter().map(|new| new.request.id.as_str()).collect();
    let rows = db.query("SELECT id FROM prediction WHERE id = ANY ($1)", &[&ids]).await?;
    rows.iter().map(|row| Row::new("prediction", row).parse("id")).collect()
}

async fn insert(db: &Db, new: &[Arc<NewPrediction>]) -> Outcome<()> {
    if new.is_empty() {
        return Ok(());
    }
    let columns = request_columns(new)
        .and(|new| new.claim.as_ref().map(|node| &*node.0))
        .and(|new| i64::from(new.claim.is_some()))
        .and(|new| micros(new.deadline.map(|deadline| deadline.at)))
        .and(|new| new.deadline.map(|deadline| deadline.kind.as_str()))
        .and(|new| new.request.destination.as_ref().map(ModelName::as_str));
    let uses: Vec<_> =
        new.iter().flat_map(|new| new.uploads.iter().map(|upload| (upload, new.request.id))).collect();
    let uses =
        Columns::of(&uses).and(|(upload, _)| upload.as_str()).and(|(_, prediction)| prediction.as_str());
    let wishes = Columns::of(new)
        .and(|new| new.request.webhook.as_ref().and_then(|webhook| webhook.options.to_text()))
        .and(|new| new.request.trace.map(|trace| trace.to_string()));
    db.execute(CREATE, &[columns.values(), uses.values(), wishes.values()].concat()).await?;
    Ok(())
}

fn request_columns(new: &[Arc<NewPrediction>]) -> Columns<'_, Arc<NewPrediction>> {
    Columns::of(new)
        .and(|new| new.request.id.as_str())
        .and(|new| &*new.request.account.0)
        .and(|new| new.request.kind.as_str())
        .and(|new| new.request.model.as_str())
        .and(|new| new.request.version.as_str())
        .and(|new| new.request.source.as_str())
        .and(|_| Status::Starting.as_str())
        .and(|new| new.request.created_at.as_micros())
        .and(|new| micros(new.request.cancel_at))
        .and(|new| new.request.streams)
        .and(|new| new.request.input.as_str())
        .and(|new| new.request.webhook.as_ref().map(|webhook| webhook.url.as_str()))
        .and(|new| new.request.webhook.as_ref().map(|webhook| webhook.origin.as_str()))
        .and(|new| new.request.webhook.as_ref().map(|webhook| bits(webhook.events)))
        .and(|new| new.request.webhook.as_ref().and_then(|webhook| webhook.filter).map(bits))
        .and(|new| new.request.webhook.as_ref().map(|webhook| webhook.payload.as_str()))
}

fn bits(events: EventSet) -> i64 {
    i64::from(events.bits())
}

/// Creates a prediction under a key, in a transaction.
pub(super) async fn create_with_key(
    db: Db,
    new: &Arc<NewPrediction>,
    key: &Idempotency,
) -> Outcome<CreateOutcome> {
    loop {
        if take_key(&db, key, &new.request).await? {
            insert(&db, std::slice::from_ref(new)).await?;
            return Ok(CreateOutcome::Created);
        }
        // A key that was forgotten in between is free.
        if let Some(earlier) = key_owner(&db, key, &new.request).await? {
            return Ok(earlier);
        }
    }
}

async fn take_key(db: &Db, key: &Idempotency, request: &Request) -> Outcome<bool> {
    let (account, id) = (&*request.account.0, request.id.as_str());
    let (expires_at, now) = (key.expires_at.as_micros(), request.created_at.as_micros());
    let sha256 = key.request_sha256.as_slice();
    Ok(db.execute(TAKE_KEY, &[&account, &key.key, &sha256, &id, &expires_at, &now]).await? > 0)
}

/// What a key stands for that is taken.
async fn key_owner(db: &Db, key: &Idempotency, request: &Request) -> Outcome<Option<CreateOutcome>> {
    let sql = "SELECT key, request_sha256, prediction_id FROM idempotency WHERE account = $1 AND key = $2";
    let row = db.query_optional(sql, &[&&*request.account.0, &key.key]).await?;
    row.map(|row| earlier_outcome(Row::new("idempotency", &row), key, request)).transpose()
}

fn earlier_outcome(row: Row<'_>, key: &Idempotency, request: &Request) -> Outcome<CreateOutcome> {
    if row.bytes::<32>("request_sha256")? != key.request_sha256 {
        return Ok(CreateOutcome::KeyReused);
    }
    let earlier: PredictionId = row.parse("prediction_id")?;
    // An earlier try of this very create, whose outcome was lost.
    Ok(if earlier == request.id { CreateOutcome::Created } else { CreateOutcome::Replayed(earlier) })
}
