//! The hot queries look rows up; they never read a whole table, however much history there is.

use rusqlite::StatementStatus;

use super::{dir, open};
use crate::sqlite::Class;
use crate::sqlite::delivery::{
    BACKLOG, EVENTS, EXHAUSTED, INSERT_EVENT, LATEST_EVENT, NEXT_ORIGIN, OF_ORIGIN, OLD, REPORTS,
};
use crate::sqlite::failure::Outcome;
use crate::sqlite::prediction::{EXPIRED, FILES, OVERDUE, POSITION, WAITING};
use crate::sqlite::upload;

/// The steps that SQLite would take.
async fn plan(sql: &'static str) -> Vec<String> {
    let dir = dir();
    let store = open(dir.path());
    let read = store.read(move |db| -> Outcome<Vec<String>> {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
        let steps = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get("detail"))?;
        Ok(steps.collect::<Result<_, _>>()?)
    });
    read.await.expect("the plan is read")
}

#[tokio::test]
async fn every_step_of_a_hot_query_is_a_seek() {
    let cases = [
        (WAITING, "live_waiting"),
        (POSITION, "live_waiting"),
        (OVERDUE, "live_deadline"),
        (EXPIRED, "prediction_expiring"),
        (FILES, "PRIMARY KEY"),
        (NEXT_ORIGIN, "lane_due"),
        (OF_ORIGIN, "lane_due"),
        (OLD, "sqlite_autoindex_delivery_1"),
        (REPORTS, "PRIMARY KEY"),
        (EXHAUSTED, "delivery_exhausted"),
        (INSERT_EVENT, "event_order"),
        (EVENTS, "event_order"),
        (LATEST_EVENT, "event_order"),
        (upload::NEWEST_FIRST, "upload_of_account"),
        (upload::OLDEST_FIRST, "upload_of_account"),
        (upload::EXPIRED, "upload_expiring"),
        ("UPDATE live SET owner = NULL WHERE owner = ?1 AND revision = 0 AND run <= ?2", "live_owned"),
        ("UPDATE lane SET owner = NULL WHERE owner = ?1", "lane_owned"),
        ("SELECT MIN(owner) AS owner FROM live WHERE owner > ?1", "live_owned"),
        ("SELECT MIN(owner) AS owner FROM lane WHERE owner > ?1", "lane_owned"),
    ];
    for (sql, index) in cases {
        let steps = plan(sql).await;
        assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:?}");
        // The rows that an inner query has found are read one after the other.
        let scans =
            steps.iter().filter(|step| step.starts_with("SCAN") && !step.starts_with("SCAN (subquery"));
        assert_eq!(scans.count(), 0, "{sql}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}: {steps:?}");
    }
}

#[tokio::test]
async fn a_statement_is_compiled_once_whatever_is_bound_to_it() {
    let dir = dir();
    let store = open(dir.path());
    let mut compiled_again = Vec::new();
    for sql in [NEXT_ORIGIN, OF_ORIGIN, WAITING, OVERDUE, INSERT_EVENT, EVENTS] {
        let again = store.write(Class::Critical, move |batch| {
            let mut statement = batch.db.prepare(sql)?;
            for value in 1..=3 {
                let values = vec![value; statement.parameter_count()];
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                while rows.next()?.is_some() {}
            }
            Ok(statement.get_status(StatementStatus::RePrepare))
        });
        if again.await.expect("it is run") > 0 {
            compiled_again.push(sql);
        }
    }
    assert!(compiled_again.is_empty(), "{compiled_again:#?}");
}

#[tokio::test]
async fn what_waits_is_counted_without_reading_it() {
    let steps = plan(BACKLOG).await;
    for step in [
        "SCAN lane USING COVERING INDEX lane_due",
        "SEARCH lane USING INDEX lane_owned",
        "SCAN delivery USING COVERING INDEX delivery_exhausted",
    ] {
        assert!(steps.iter().any(|found| found.contains(step)), "{step}: {steps:?}");
    }
}
