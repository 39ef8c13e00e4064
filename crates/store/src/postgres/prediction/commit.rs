//! Committing transitions: a compare-and-set on the live row, and everything that hangs on it in the same transaction.
//!
//! Many commits become one statement, and nothing is read for it, unless what a prediction owes depends on the lane that is
//! stored: those commits share a transaction that reads their lanes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cogwire_core::id::PredictionId;
use futures_util::future::try_join;

use super::portion::{Member, in_portions};
use super::refusal;
use super::transition::{end, step};
use crate::change::Change;
use crate::error::Result;
use crate::lane::{self, Owed};
use crate::postgres::database::{Class, Database, Db, Repeat};
use crate::postgres::delivery::owe;
use crate::postgres::failure::Outcome;
use crate::prediction::{Commit, CommitOutcome, LaneEffect};

/// A commit that is ready to be written.
pub(in crate::postgres) struct Planned {
    pub(super) change: Change,
    /// What it owes, when that needs no look at the stored lane: the first commit of a prediction finds none.
    owed: Option<Owed>,
}

/// How a commit is written. Commits that go one way are gathered: one statement writes all of their live rows, in the order of
/// their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The prediction ends.
    End,
    /// It goes on.
    Step,
    /// It ends, and what it owes depends on the stored lane.
    EndWithLane,
    /// It goes on, and what it owes depends on the stored lane.
    StepWithLane,
}

impl Way {
    /// All of them, in their order.
    pub(super) const ALL: [Self; 4] = [Self::End, Self::Step, Self::EndWithLane, Self::StepWithLane];
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
        match (self.change.ends(), lane::is_touched(commit) && !lane::is_first(commit)) {
            (true, false) => Way::End,
            (false, false) => Way::Step,
            (true, true) => Way::EndWithLane,
            (false, true) => Way::StepWithLane,
        }
    }

    pub(super) fn prediction(&self) -> PredictionId {
        self.change.commit.request.id
    }

    pub(super) fn owed(&self) -> Option<&Owed> {
        self.owed.as_ref()
    }

    /// What whoever committed is told, when that needs no look at the stored lane.
    fn effect(&self) -> LaneEffect {
        self.owed.as_ref().map_or(LaneEffect::None, |owed| owed.effect.clone())
    }
}

impl Member for Planned {
    fn id(&self) -> &str {
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

/// Makes a batch durable. All of it goes one way.
pub(super) async fn commit(
    database: Database,
    way: Way,
    commits: Vec<Arc<Planned>>,
) -> Result<Vec<Result<CommitOutcome>>> {
    Ok(in_portions(commits, |commits| commit_portion(&database, way, commits)).await)
}

/// A second time, the same commits are refused, and then recognised as done.
async fn commit_portion(
    database: &Database,
    way: Way,
    commits: Vec<Arc<Planned>>,
) -> Result<Vec<Result<CommitOutcome>>> {
    let (commits, repeat): (Vec<&Planned>, _) =
        (commits.iter().map(|commit| &**commit).collect(), Repeat::Safe);
    let done = match way {
        Way::End | Way::Step => database.write(Class::Work, repeat, |db| alone(db, way, &commits)).await?,
        Way::EndWithLane | Way::StepWithLane => {
            database.work(Class::Work, repeat, |db| with_lanes(db, way, &commits)).await?
        }
    };
    Ok(outcomes(database, &commits, done).await)
}

/// What became of each, given what was committed.
async fn outcomes(
    database: &Database,
    commits: &[&Planned],
    mut done: HashMap<PredictionId, LaneEffect>,
) -> Vec<Result<CommitOutcome>> {
    let is_refused = |commit: &&&Planned| !done.contains_key(&commit.prediction());
    let refused: Vec<&Planned> = commits.iter().filter(is_refused).copied().collect();
    let mut explained = refusal::explain(database, &refused).await.into_iter();
    let outcome = |commit: &&Planned| match done.remove(&commit.prediction()) {
        Some(effect) => Ok(CommitOutcome::Committed(effect)),
        None => explained.next().expect("each that was refused is explained"),
    };
    commits.iter().map(outcome).collect()
}

/// One statement for all.
async fn alone(db: Db, way: Way, commits: &[&Planned]) -> Outcome<HashMap<PredictionId, LaneEffect>> {
    let done = compare_and_set(&db, way, commits).await?;
    let done = commits.iter().filter(|commit| done.contains(&commit.prediction()));
    Ok(done.map(|commit| (commit.prediction(), commit.effect())).collect())
}

/// A transaction for all. Lanes are locked after live rows, here and everywhere.
async fn with_lanes(db: Db, way: Way, commits: &[&Planned]) -> Outcome<HashMap<PredictionId, LaneEffect>> {
    let ids = commits.iter().map(|commit| commit.prediction());
    let (done, lanes) = try_join(compare_and_set(&db, way, commits), owe::lock(&db, ids)).await?;
    let done = commits.iter().filter(|commit| done.contains(&commit.prediction()));
    owe::owe(&db, done.map(|commit| &commit.change), lanes).await
}

/// Those of the commits that happened.
async fn compare_and_set(db: &Db, way: Way, commits: &[&Planned]) -> Outcome<HashSet<PredictionId>> {
    match way {
        Way::End | Way::EndWithLane => end(db, commits).await,
        Way::Step | Way::StepWithLane => step(db, commits).await,
    }
}
