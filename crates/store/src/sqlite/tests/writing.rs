//! The writer: what is committed together, and what happens when something fails.

use std::future::Future;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use cogwire_core::json::Json;
use cogwire_core::prediction::{Event, Request};
use futures_util::future::{join, join_all};

use super::{dir, open, options};
use crate::contract::fixture::{at, commit_of, id, new, request};
use crate::error::Result;
use crate::prediction::{CommitOutcome, CreateOutcome, ExpiredData, Guard};
use crate::sqlite::{Class, FILE_NAME, SqliteOptions, SqliteStore};
use crate::{Error, PredictionStore};

/// Lets `work` queue all of its first writes before any of them is written: they make one batch.
async fn together<T>(store: &SqliteStore, work: impl Future<Output = T>) -> T {
    let (entered, begun) = channel();
    let (release, gate) = channel::<()>();
    let blocking = store.write(Class::Critical, move |_| {
        entered.send(()).expect("the test waits");
        gate.recv().expect("the test goes on");
        Ok(())
    });
    let working = async {
        begun.recv().expect("the writer is held up");
        let releasing = async { release.send(()).expect("the writer waits") };
        join(work, releasing).await.0
    };
    let (blocked, outcome) = join(blocking, working).await;
    blocked.expect("nothing was written");
    outcome
}

/// A store that remembers the sizes of its batches.
fn counting(dir: &std::path::Path, mut options: SqliteOptions) -> (SqliteStore, Arc<Mutex<Vec<usize>>>) {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sizes);
    let on_commit = move |size, _| seen.lock().expect("no panic").push(size);
    options.on_commit = Some(Arc::new(on_commit));
    (SqliteStore::open(dir, options).expect("the store opens"), sizes)
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let dir = dir();
    let (store, sizes) = counting(dir.path(), options());
    let creates = join_all((1..=200).map(|number| store.create(new(request(number)))));
    let outcomes = together(&store, creates).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(CreateOutcome::Created))));
    assert_eq!(*sizes.lock().expect("no panic"), [1, 200]);
}

#[tokio::test]
async fn a_use_case_that_fails_is_undone_alone() {
    let dir = dir();
    let (store, sizes) = counting(dir.path(), options());
    let creates = join_all([1, 1, 2].map(|number| store.create(new(request(number)))));
    let outcomes = together(&store, creates).await;
    assert!(matches!(outcomes[..], [Ok(_), Err(Error::Backend(_)), Ok(_)]), "{outcomes:?}");
    assert_eq!(*sizes.lock().expect("no panic"), [1, 3]);
    assert!(store.load(id(2)).await.expect("it is read").is_some());
    let runs = |db: &rusqlite::Connection| -> crate::sqlite::failure::Outcome<i64> {
        Ok(db.query_row("SELECT SUM(runs) FROM model_run", [], |row| row.get(0))?)
    };
    assert_eq!(store.read(runs).await.expect("it is read"), 2, "what is written again is counted once");
}

#[tokio::test]
async fn a_panic_is_an_error_and_undoes_what_its_use_case_wrote() {
    let dir = dir();
    let store = open(dir.path());
    let panicking = store.write(Class::Critical, |batch| -> crate::sqlite::failure::Outcome<()> {
        batch.db.execute("INSERT INTO model_run (model, runs) VALUES ('a/b', 1)", [])?;
        panic!("a defect")
    });
    let (panicked, created) = together(&store, join(panicking, store.create(new(request(1))))).await;
    assert!(matches!(panicked, Err(Error::Backend(_))), "{panicked:?}");
    assert_eq!(created.expect("the others go on"), CreateOutcome::Created);
    let count = |db: &rusqlite::Connection| -> crate::sqlite::failure::Outcome<i64> {
        Ok(db.query_row("SELECT COUNT(*) FROM model_run WHERE model = 'a/b'", [], |row| row.get(0))?)
    };
    assert_eq!(store.read(count).await.expect("it is read"), 0);
}

#[tokio::test]
async fn a_full_queue_refuses_the_api_and_nobody_else() {
    let dir = dir();
    let (store, _) = counting(dir.path(), SqliteOptions { api_queue: 2, ..options() });
    let creates = join_all((1..=3).map(|number| store.create(new(request(number)))));
    let critical = join_all((0..9).map(|_| store.write(Class::Critical, |_| Ok(()))));
    let (created, written) = together(&store, join(creates, critical)).await;
    assert!(matches!(created[..], [Ok(_), Ok(_), Err(Error::Busy)]), "{created:?}");
    assert!(written.iter().all(Result::is_ok));
}

/// A prediction with an input of 40 kB.
fn large(number: u32) -> Request {
    Request {
        input: Json::parse(&format!(r#"{{"text":"{}"}}"#, "x".repeat(40_000))).expect("JSON"),
        ..request(number)
    }
}

async fn end(store: &SqliteStore, number: u32) {
    let prediction = store.load(id(number)).await.expect("it is read").expect("it is there");
    let cancel = commit_of(&prediction, Event::CancelRequested, Guard::Anyone, at(10_000));
    let outcome = store.commit(cancel).await.expect("the end of a prediction needs no room");
    assert!(matches!(outcome, CommitOutcome::Committed(_)));
}

#[tokio::test]
async fn a_full_disk_undoes_the_batch_and_is_recovered_from() {
    let dir = dir();
    let (store, _) = counting(dir.path(), SqliteOptions { max_pages: Some(150), ..options() });
    for number in 1..=5 {
        store.create(new(large(number))).await.expect("there is room");
        end(&store, number).await;
    }
    let creates = join_all((100..130).map(|number| store.create(new(large(number)))));
    let outcomes = together(&store, creates).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(Error::Unavailable(_)))), "{outcomes:?}");
    for number in 100..130 {
        assert!(store.load(id(number)).await.expect("reading goes on").is_none());
    }
    store.create(new(request(50))).await.expect("a small one still fits");
    let expired: Vec<_> = (1..=5).map(|number| ExpiredData { id: id(number), files: Vec::new() }).collect();
    store.remove_data(&expired).await.expect("removing needs no room");
    for number in 200..204 {
        store.create(new(large(number))).await.expect("there is room again");
    }
}

#[tokio::test]
async fn the_log_does_not_grow_for_ever() {
    let dir = dir();
    let (store, _) = counting(dir.path(), options());
    let megabyte = Json::parse(&format!(r#"{{"text":"{}"}}"#, "x".repeat(1 << 20))).expect("JSON");
    for number in 1..=40 {
        let request = Request { input: megabyte.clone(), ..request(number) };
        store.create(new(request)).await.expect("it is written");
    }
    let size = |name: &str| dir.path().join(name).metadata().expect("the file is there").len() >> 20;
    assert!(size(&format!("{FILE_NAME}-wal")) < 20, "{} MiB", size(&format!("{FILE_NAME}-wal")));
    assert!(size(FILE_NAME) >= 16, "{} MiB", size(FILE_NAME));
}
