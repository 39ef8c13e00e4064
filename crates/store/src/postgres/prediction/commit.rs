//! Committing transitions: a compare-and-set on the live row, and everything that hangs on it in the same transaction.
//!
//! Many commits become one statement, and nothing is read for it, unless what a prediction owes depends on the lane that is
//! stored: those commits share a transaction that reads their lanes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use cogwire_core::id::PredictionId;
use cogwire_core::json::Json;
use cogwire_core::prediction::Content;
use futures_util::future::try_join3;

use super::portion::{Member, in_portions};
use super::refusal;
use crate::change::Change;
use crate::error::Result;
use crate::lane::{self, Owed};
use crate::postgres::columns::Columns;
use crate::postgres::database::{Class, Database, Db, Repeat};
use crate::postgres::delivery::owe::{self, OwedColumns};
use crate::postgres::failure::Outcome;
use crate::postgres::row::{Row, int, micros};
use crate::prediction::{Commit, CommitOutcome, LaneEffect};

/// A commit that is ready to be written.
pub(in crate::postgres) struct Planned {
    pub(super) change: Change,
    /// What it owes, when that needs no look at the stored lane: the first commit of a prediction finds none.
    owed: Option<Owed>,
}

/// How a commit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The prediction ends.
    End,
    /// It goes on.
    Step,
    /// What it owes depends on the stored lane.
    Owing,
}

impl Planned {
    pub(super) fn new(commit: Commit) -> Self {
        let change = Change::encode(commit);
        let is_first = lane::is_first(&change.commit);
        let owed = is_first.then(|| lane::owe(&change.commit, None, change.final_body.as_ref())).flatten();
        Self { change, owed }
    }

    pub(super) fn way(&self) -> Way {
        let commit = &self.change.commit;
        match (lane::is_touched(commit) && !lane::is_first(commit), self.change.ends()) {
            (true, _) => Way::Owing,
            (false, true) => Way::End,
            (false, false) => Way::Step,
        }
    }

    pub(super) fn prediction(&self) -> PredictionId {
        self.change.commit.request.id
    }

    /// What whoever committed is told, when that needs no look at the stored lane.
    fn effect(&self) -> LaneEffect {
        self.owed.as_ref().map_or(LaneEffect::None, |owed| owed.effect.clone())
    }
}

impl Member for Planned {
    fn prediction(&self) -> &str {
        self.change.id()
    }

    fn size(&self) -> usize {
        let change = &self.change;
        let chunk = change.stored_chunk().map_or(0, |chunk| chunk.events.len());
        let output = change.result.as_ref().and_then(|result| result.output.as_ref());
        let logs = change.transition().result().map_or(0, |content| content.logs.len());
        let body = change.final_body.as_ref().map_or(0, |body| body.bytes.len());
        chunk + output.map_or(0, |output| output.as_str().len()) + logs + body
    }
}

/// Commits ends.
pub(super) async fn commit_ends(
    database: Database,
    commits: Vec<Arc<Planned>>,
) -> Result<Vec<Result<CommitOutcome>>> {
    Ok(in_portions(commits, |commits| commit_portion(&database, Way::End, commits)).await)
}

/// Commits what is no end.
pub(super) async fn commit_steps(
    database: Database,
    commits: Vec<Arc<Planned>>,
) -> Result<Vec<Result<CommitOutcome>>> {
    Ok(in_portions(commits, |commits| commit_portion(&database, Way::Step, commits)).await)
}

/// Commits of which each needs its stored lane.
pub(super) async fn commit_owing(
    database: Database,
    commits: Vec<Arc<Planned>>,
) -> Result<Vec<Result<CommitOutcome>>> {
    Ok(in_portions(commits, |commits| commit_portion(&database, Way::Owing, commits)).await)
}

/// A second time, the same commits are refused, and then recognised as done.
async fn commit_portion(
    database: &Database,
    way: Way,
    commits: Vec<Arc<Planned>>,
) -> Result<Vec<Result<CommitOutcome>>> {
    let (work, safe) = (Class::Work, Repeat::Safe);
    let done = match way {
        Way::End => database.write(work, safe, |db| alone(db, &commits, Way::End)).await?,
        Way::Step => database.write(work, safe, |db| alone(db, &commits, Way::Step)).await?,
        Way::Owing => database.work(work, safe, |db| with_lanes(db, &commits)).await?,
    };
    Ok(outcomes(database, &commits, done).await)
}

/// What became of each, given what was committed.
async fn outcomes(
    database: &Database,
    commits: &[Arc<Planned>],
    mut done: HashMap<PredictionId, LaneEffect>,
) -> Vec<Result<CommitOutcome>> {
    let refused: Vec<&Planned> = commits
        .iter()
        .map(|commit| &**commit)
        .filter(|commit| !done.contains_key(&commit.prediction()))
        .collect();
    let mut explained = refusal::explain(database, &refused).await.into_iter();
    let outcome = |commit: &Arc<Planned>| match done.remove(&commit.prediction()) {
        Some(effect) => Ok(CommitOutcome::Committed(effect)),
        None => explained.next().expect("each that was refused is explained"),
    };
    commits.iter().map(outcome).collect()
}

/// One statement for all.
async fn alone(db: Db, commits: &[Arc<Planned>], way: Way) -> Outcome<HashMap<PredictionId, LaneEffect>> {
    let commits: Vec<&Planned> = commits.iter().map(|commit| &**commit).collect();
    let done = if way == Way::End { end(&db, &commits).await? } else { step(&db, &commits).await? };
    let done = commits.into_iter().filter(|commit| done.contains(&commit.prediction()));
    Ok(done.map(|commit| (commit.prediction(), commit.effect())).collect())
}

/// A transaction for all. Lanes are locked after live rows, here and everywhere.
async fn with_lanes(db: Db, commits: &[Arc<Planned>]) -> Outcome<HashMap<PredictionId, LaneEffect>> {
    let (ends, steps): (Vec<&Planned>, Vec<&Planned>) =
        commits.iter().map(|commit| &**commit).partition(|commit| commit.change.ends());
    let ids = commits.iter().map(|commit| commit.prediction());
    let (ended, moved, lanes) = try_join3(end(&db, &ends), step(&db, &steps), owe::lock(&db, ids)).await?;
    let done = commits.iter().map(|commit| &commit.change).filter(|change| {
        let id = change.commit.request.id;
        ended.contains(&id) || moved.contains(&id)
    });
    owe::owe(&db, done, lanes).await
}

/// Whoever deletes the live row decides how the prediction ends.
///
/// A row is found as `= ANY (ARRAY[…])`: see [`crate::postgres`].
pub(in crate::postgres) static END: LazyLock<String> = LazyLock::new(|| {
    let (insert_owed, input) = (
        owe::insert_owed(),
        input(&[
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
        ]),
    );
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
    let (insert_owed, input) = (
        owe::insert_owed(),
        input(&[
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
        ]),
    );
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

/// The rows of a statement, from arrays of these types that come after those of what is owed.
fn input(columns: &[(&str, &str)]) -> String {
    let numbered = columns.iter().zip(OwedColumns::COUNT + 1..);
    let arrays: Vec<String> = numbered.map(|((_, kind), number)| format!("${number}::{kind}[]")).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    format!("unnest({}) AS input ({})", arrays.join(", "), names.join(", "))
}

/// The ends among these that happened.
async fn end(db: &Db, commits: &[&Planned]) -> Outcome<HashSet<PredictionId>> {
    let columns = expected_columns(commits)
        .and(|commit| micros(commit.change.transition().next().completed_at()))
        .and(|commit| commit.change.transition().next().error().map(str::as_bytes))
        .and(|commit| commit.output().map(Json::as_str))
        .and(|commit| commit.content().map(|content| content.logs.as_bytes()))
        .and(|commit| commit.change.result.as_ref().map(|result| result.metrics.as_str()))
        .and(|commit| micros(commit.change.commit.expires_at));
    run(db, &END, commits, columns).await
}

/// The steps among these that happened.
async fn step(db: &Db, commits: &[&Planned]) -> Outcome<HashSet<PredictionId>> {
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
    if commits.is_empty() {
        return Ok(HashSet::new());
    }
    let owed = OwedColumns::of(commits.iter().filter_map(|commit| commit.owed.as_ref()));
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

impl Planned {
    fn content(&self) -> Option<&Content> {
        self.change.transition().result()
    }

    fn output(&self) -> Option<&Json> {
        self.change.result.as_ref().and_then(|result| result.output.as_ref())
    }
}
