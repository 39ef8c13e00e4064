//! The batcher: what is committed together, and what happens when something fails.

use std::sync::{Arc, Mutex};

use futures_util::future::{join, join_all};
use tokio::sync::Semaphore;

use super::World;
use crate::error::{Error, Result};
use crate::postgres::batch::{BatchOptions, Batcher, WhenFull};
use crate::postgres::database::Database;
use crate::postgres::{Class, Db, Repeat};

/// Writes numbers, and refuses to write one twice.
struct Numbers {
    world: World,
    batcher: Batcher<i64, i64>,
    sizes: Arc<Mutex<Vec<usize>>>,
    gate: Arc<Semaphore>,
}

impl Numbers {
    /// Batches that wait to be let through.
    async fn new(queue: usize, when_full: WhenFull) -> Self {
        let world = World::new().await;
        let table = world.table("number bigint PRIMARY KEY").await;
        let gate = Arc::new(Semaphore::new(0));
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let (seen, passing) = (Arc::clone(&sizes), Arc::clone(&gate));
        let options = BatchOptions {
            queue,
            when_full,
            workers: 1,
            on_commit: Some(Arc::new(move |size, _| seen.lock().expect("no panic").push(size))),
        };
        let sql: Arc<str> = format!("INSERT INTO {table} SELECT * FROM unnest($1::bigint[])").into();
        let batcher = Batcher::start(&world.store.database, options, move |database, numbers| {
            insert(database, Arc::clone(&sql), Arc::clone(&passing), numbers)
        });
        Self { world, batcher, sizes, gate }
    }

    /// Submits a first number, and the others while it is on its way.
    async fn submit(&self, numbers: &[i64]) -> Vec<Result<i64>> {
        let others = join_all(numbers.iter().map(|number| self.batcher.submit(*number)));
        let release = async { self.gate.add_permits(1000) };
        let (first, (others, ())) = join(self.batcher.submit(0), join(others, release)).await;
        assert_eq!(first.expect("it is written"), 0);
        others
    }

    fn sizes(&self) -> Vec<usize> {
        self.sizes.lock().expect("no panic").clone()
    }
}

async fn insert(
    database: Database,
    sql: Arc<str>,
    passing: Arc<Semaphore>,
    numbers: Vec<i64>,
) -> Result<Vec<i64>> {
    passing.acquire().await.expect("it is open").forget();
    assert!(!numbers.contains(&-1), "a defect");
    database.write(Class::Work, Repeat::Never, async |db: Db| db.execute(&sql, &[&numbers]).await).await?;
    Ok(numbers)
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let numbers = Numbers::new(1000, WhenFull::Wait).await;
    let many: Vec<i64> = (1..=300).collect();
    let written: Vec<i64> =
        numbers.submit(&many).await.into_iter().collect::<Result<_>>().expect("they are written");
    assert_eq!(written, many, "each caller has its own outcome");
    let sizes = numbers.sizes();
    assert_eq!(sizes.iter().sum::<usize>(), 301);
    assert!(sizes.len() <= 4 && sizes.iter().all(|size| *size <= 256), "{sizes:?}");
}

#[tokio::test]
async fn one_that_fails_fails_alone() {
    let numbers = Numbers::new(1000, WhenFull::Wait).await;
    let outcomes = numbers.submit(&[1, 0, 2]).await;
    assert!(matches!(outcomes[..], [Ok(1), Err(Error::Backend(_)), Ok(2)]), "{outcomes:?}");
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_use_case_alone() {
    let numbers = Numbers::new(1000, WhenFull::Wait).await;
    let outcomes = numbers.submit(&[1, -1, 2]).await;
    assert!(matches!(outcomes[..], [Ok(1), Err(Error::Backend(_)), Ok(2)]), "{outcomes:?}");
}

#[tokio::test]
async fn a_full_queue_refuses_or_waits() {
    let refusing = Numbers::new(2, WhenFull::Refuse).await;
    let outcomes = refusing.submit(&(1..=9).collect::<Vec<_>>()).await;
    let busy = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Busy))).count();
    assert!(busy >= 6 && outcomes[0].is_ok(), "{outcomes:?}");
    let waiting = Numbers::new(2, WhenFull::Wait).await;
    assert!(waiting.submit(&(1..=9).collect::<Vec<_>>()).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_store_that_is_closed_writes_what_waits_and_takes_nothing_more() {
    let numbers = Numbers::new(1000, WhenFull::Wait).await;
    let closing = async {
        numbers.gate.add_permits(1000);
        numbers.world.store.close().await;
    };
    let submitting = join_all((1..=20).map(|number| numbers.batcher.submit(number)));
    let (outcomes, ()) = join(submitting, closing).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert!(matches!(numbers.batcher.submit(21).await, Err(Error::Closed)));
}
