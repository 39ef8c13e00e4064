//! One transaction with many use cases in it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cogwire_core::model::ModelName;
use rusqlite::{Connection, params};

use super::job::Job;
use crate::error::Error;
use crate::sqlite::failure::{Failure, Outcome};
use crate::sqlite::row::int;

/// The transaction as a use case sees it.
pub(in crate::sqlite) struct Batch<'a> {
    /// The connection, inside the transaction.
    pub(in crate::sqlite) db: &'a Connection,
    runs: BTreeMap<ModelName, u64>,
}

impl<'a> Batch<'a> {
    fn new(db: &'a Connection) -> Self {
        Self { db, runs: BTreeMap::new() }
    }

    /// Counts a prediction of `model`. The last act of a use case: what fails after it would be counted all the same.
    ///
    /// A counter row would be written by every create; so it is written once for all creates of a commit.
    pub(in crate::sqlite) fn count_run(&mut self, model: &ModelName) {
        match self.runs.get_mut(model) {
            Some(runs) => *runs += 1,
            None => drop(self.runs.insert(model.clone(), 1)),
        }
    }

    fn write_runs(&self) -> Outcome<()> {
        let sql =
            "INSERT INTO model_run (model, runs) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET runs = runs + ?2";
        for (model, runs) in &self.runs {
            self.db.prepare_cached(sql)?.execute(params![model.as_str(), int(*runs)])?;
        }
        Ok(())
    }
}

/// How one job is written into the transaction.
type Writing = fn(&mut Batch<'_>, &mut dyn Job) -> Outcome<()>;

/// Writes all jobs in one transaction. An error means that nothing of any of them is durable.
///
/// A savepoint would copy each page that its job changes. Jobs that fail are rare, so all are written without; and when one
/// fails everything is undone, and written again with savepoints, so that it is undone alone.
pub(super) fn commit(db: &Connection, jobs: &mut [Box<dyn Job>]) -> Outcome<()> {
    match transaction(db, jobs, run) {
        Err(failure) if !(failure.is_of_storage() || failure.is_locked()) => {
            transaction(db, jobs, run_in_savepoint)
        }
        outcome => outcome,
    }
}

fn transaction(db: &Connection, jobs: &mut [Box<dyn Job>], writing: Writing) -> Outcome<()> {
    execute(db, "BEGIN IMMEDIATE")?;
    let written = write(db, jobs, writing);
    if written.is_err() && !db.is_autocommit() {
        // When this fails too, the next BEGIN says so.
        let _ = execute(db, "ROLLBACK");
    }
    written
}

fn write(db: &Connection, jobs: &mut [Box<dyn Job>], writing: Writing) -> Outcome<()> {
    let mut batch = Batch::new(db);
    for job in jobs {
        writing(&mut batch, job.as_mut())?;
    }
    batch.write_runs()?;
    execute(db, "COMMIT")
}

/// Writes one job, or undoes it. An error means that the whole transaction must be given up.
fn run_in_savepoint(batch: &mut Batch<'_>, job: &mut dyn Job) -> Outcome<()> {
    execute(batch.db, "SAVEPOINT use_case")?;
    let Err(failure) = run(batch, job) else {
        return execute(batch.db, "RELEASE use_case");
    };
    // Some errors make SQLite roll everything back by itself.
    if failure.is_of_storage() || batch.db.is_autocommit() {
        return Err(failure);
    }
    execute(batch.db, "ROLLBACK TO use_case")?;
    execute(batch.db, "RELEASE use_case")?;
    job.fail(failure.into());
    Ok(())
}

/// A panic in a use case is a defect of that use case; the others and the thread go on.
fn run(batch: &mut Batch<'_>, job: &mut dyn Job) -> Outcome<()> {
    let outcome = catch_unwind(AssertUnwindSafe(|| job.run(batch)));
    outcome.unwrap_or_else(|_| Err(Failure::Store(Error::Backend("a use case panicked".to_owned()))))
}

fn execute(db: &Connection, sql: &'static str) -> Outcome<()> {
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}
