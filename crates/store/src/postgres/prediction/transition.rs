//! The two statements that write transitions: ends, and what is no end.
//!
//! Both are a compare-and-set on the live rows, on which everything else hangs. Rows are looked up as `= ANY (ARRAY[…])`: see
//! [`crate::postgres`].

use std::collections::HashSet;
use std::sync::LazyLock;

use cogwire_core::id::PredictionId;
use cogwire_core::json::Json;

use super::commit::Planned;
use crate::postgres::columns::{Columns, Shape};
use crate::postgres::database::Db;
use crate::postgres::delivery::owe::{self, OwedColumns};
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int, micros};

/// What a commit says of a prediction that ends.
const ENDING: Shape<'_> = Shape(&[
    ("id", "text"),
    ("revision", "bigint"),
    ("owner", "text"),
    ("lease_no", "bigint"),
    ("next_event", "bigint"),
    ("first_event", "bigint"),
    ("events", "text"),
    ("status", "text"),
    ("started_at", "bigint"),
    ("completed_at", "bigint"),
    ("error", "bytea"),
    ("output", "text"),
    ("logs", "bytea"),
    ("metrics", "text"),
    ("expires_at", "bigint"),
]);

/// What a commit says of a prediction that goes on.
const GOING_ON: Shape<'_> = Shape(&[
    ("id", "text"),
    ("revision", "bigint"),
    ("owner", "text"),
    ("lease_no", "bigint"),
    ("next_event", "bigint"),
    ("first_event", "bigint"),
    ("events", "text"),
    ("status", "text"),
    ("started_at", "bigint"),
    ("deadline", "bigint"),
    ("deadline_kind", "text"),
]);

/// Whoever deletes the live row decides how the prediction ends.
pub(in crate::postgres) static END: LazyLock<String> = LazyLock::new(|| {
    let (input, insert_owed) = (ENDING.rows(OwedColumns::COUNT, "input"), owe::insert_owed());
    format!(
        "WITH input AS (SELECT * FROM {input}),
         done AS (
           DELETE FROM live USING input WHERE {IS_EXPECTED}
           RETURNING input.*, live.next_event AS live_next_event),
         ended AS (
           UPDATE prediction SET status = done.status, started_at = done.started_at, completed_at = done.completed_at,
             error = done.error, output = done.output, logs = done.logs, metrics = done.metrics,
             revision = done.revision + 1, next_event = COALESCE(done.next_event, done.live_next_event),
             expires_at = done.expires_at
           FROM done WHERE prediction.id = ANY (ARRAY[done.id])),
         {INSERT_CHUNKS}, {insert_owed}
         SELECT id FROM done"
    )
});

/// Only the first transition of a prediction that goes on changes its state: from starting to processing.
pub(in crate::postgres) static STEP: LazyLock<String> = LazyLock::new(|| {
    let (input, insert_owed) = (GOING_ON.rows(OwedColumns::COUNT, "input"), owe::insert_owed());
    format!(
        "WITH input AS (SELECT * FROM {input}),
         done AS (
           UPDATE live SET revision = live.revision + 1, next_event = COALESCE(input.next_event, live.next_event),
             deadline = input.deadline, deadline_kind = input.deadline_kind
           FROM input WHERE {IS_EXPECTED}
           RETURNING input.*),
         begun AS (
           UPDATE prediction SET status = done.status, started_at = done.started_at
           FROM done WHERE prediction.id = ANY (ARRAY[done.id]) AND done.revision = 0),
         {INSERT_CHUNKS}, {insert_owed}
         SELECT id FROM done"
    )
});

/// The compare of both compare-and-sets.
const IS_EXPECTED: &str = "live.prediction_id = ANY (ARRAY[input.id]) AND live.revision = input.revision
    AND (input.owner IS NULL OR (live.owner = input.owner AND live.lease_no = input.lease_no))";

const INSERT_CHUNKS: &str = "said AS (
    INSERT INTO chunk (prediction_id, first_event, events)
    SELECT id, first_event, events FROM done WHERE first_event IS NOT NULL)";

/// The ends among these that happened.
pub(super) async fn end(db: &Db, commits: &[&Planned]) -> Outcome<HashSet<PredictionId>> {
    let columns = expected_columns(commits)
        .and(|commit| micros(commit.change.transition().next().completed_at()))
        .and(|commit| commit.change.transition().next().error().map(str::as_bytes))
        .and(|commit| {
            commit.change.result.as_ref().and_then(|result| result.output.as_ref()).map(Json::as_str)
        })
        .and(|commit| commit.change.transition().result().map(|content| content.logs.as_bytes()))
        .and(|commit| commit.change.result.as_ref().map(|result| result.metrics.as_str()))
        .and(|commit| micros(commit.change.commit.expires_at));
    run(db, &END, commits, columns).await
}

/// The steps among these that happened.
pub(super) async fn step(db: &Db, commits: &[&Planned]) -> Outcome<HashSet<PredictionId>> {
    let columns = expected_columns(commits)
        .and(|commit| micros(commit.change.commit.deadline.map(|deadline| deadline.at)))
        .and(|commit| commit.change.commit.deadline.map(|deadline| deadline.kind.as_str()));
    run(db, &STEP, commits, columns).await
}

async fn run(
    db: &Db,
    sql: &str,
    commits: &[&Planned],
    columns: Columns<'_, &Planned>,
) -> Outcome<HashSet<PredictionId>> {
    let owed = OwedColumns::of(commits.iter().filter_map(|commit| commit.owed()));
    let values = [owed.values(), columns.values()].concat();
    let rows = db.query(sql, &values).await?;
    rows.iter().map(|row| Row::new("live", row).parse("id")).collect()
}

/// What both statements have in common.
fn expected_columns<'a>(commits: &'a [&'a Planned]) -> Columns<'a, &'a Planned> {
    Columns::of(commits)
        .and(|commit| commit.change.id())
        .and(|commit| int(commit.change.transition().expected_revision()))
        .and(|commit| commit.change.lease().map(|lease| &*lease.node.0))
        .and(|commit| commit.change.lease().map(|lease| int(lease.lease_no)))
        .and(|commit| commit.change.chunk.as_ref().map(|chunk| int(chunk.end)))
        .and(|commit| commit.change.stored_chunk().map(|chunk| int(chunk.first)))
        .and(|commit| commit.change.stored_chunk().map(|chunk| chunk.events.as_str()))
        .and(|commit| commit.change.transition().next().status().as_str())
        .and(|commit| micros(commit.change.transition().next().started_at()))
}
