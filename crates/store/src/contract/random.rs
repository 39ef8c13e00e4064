//! Histories that nobody thought of, checked step by step against a model in memory.

mod history;
mod model;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Handle;

use self::history::histories;
use self::model::Case;
use super::Home;
use super::fixture::World;

/// Histories that are tried.
const CASES: u32 = 48;

/// Histories that are put together to a long one.
const PARTS: usize = 8;

/// Whatever happens in whatever order: the store says what the model says, and every receiver gets its messages in order.
pub async fn any_history_agrees_with_the_model(home: Arc<dyn Home>) {
    let world = Arc::new(World::new(home).await);
    let runtime = Handle::current();
    // The runner is not async; on a thread of its own it may wait for what is.
    let trying = tokio::task::spawn_blocking(move || {
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let tried = AtomicU32::new(0);
        TestRunner::new(config).run(&histories(), |history| {
            let number = tried.fetch_add(1, Ordering::Relaxed);
            runtime.block_on(Case::new(&world, number).live(history)).map_err(TestCaseError::fail)
        })
    });
    if let Err(failure) = trying.await.expect("the histories are tried") {
        panic!("{failure}");
    }
}

/// Lives through a history, always the same, and leaves what there is at its end.
pub(super) async fn leave_a_history(world: &World) {
    let mut runner = TestRunner::deterministic();
    let tree = proptest::collection::vec(histories(), PARTS).new_tree(&mut runner);
    let history = tree.expect("histories can be made").current().concat();
    let left = Case::new(world, 1).leave(history).await;
    left.unwrap_or_else(|failure| panic!("{failure}"));
}
