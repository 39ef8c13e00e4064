//! Group commit without a plan: what waits while a batch is on its way makes the next batch.
//!
//! A caller that is alone goes at once. Under load many use cases become one statement, one transaction and one flush.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::database::Database;
use crate::error::{Error, Result};
use crate::sqlite::CommitObserver;

/// The most use cases of one batch. It bounds how long a use case waits for those that are committed with it.
const MAX_BATCH: usize = 256;

/// What becomes of a use case that finds the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// It is refused: [`Error::Busy`]. For callers who can come again.
    Refuse,
    /// It waits. For the engine and delivery, of whose use cases there are only as many as there are slots.
    Wait,
}

/// How a batcher works.
#[derive(Clone)]
pub(super) struct BatchOptions {
    /// Use cases that may wait.
    pub(super) queue: usize,
    /// What becomes of more.
    pub(super) when_full: WhenFull,
    /// Batches on their way at once.
    pub(super) workers: usize,
    /// Told after each batch.
    pub(super) on_commit: Option<CommitObserver>,
}

/// Gathers use cases of one kind. Its workers belong to the database's tracker and end with it.
pub(super) struct Batcher<I, O> {
    queue: mpsc::Sender<Waiting<I, O>>,
    when_full: WhenFull,
}

/// A use case, and who waits for its outcome.
struct Waiting<I, O> {
    item: I,
    caller: oneshot::Sender<Result<O>>,
}

impl<I, O> Batcher<I, O>
where
    I: Clone + Send + 'static,
    O: Send + 'static,
{
    /// `run` makes a batch durable and gives an outcome for each of its items, in their order. It is called again with each
    /// item alone when a batch of several fails for another reason than the state of the database.
    pub(super) fn start<F, R>(database: &Database, options: BatchOptions, run: F) -> Self
    where
        F: Fn(Database, Vec<I>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<O>>> + Send + 'static,
    {
        let BatchOptions { queue, when_full, workers, on_commit } = options;
        let (sender, receiver) = mpsc::channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let run = Arc::new(run);
        for _ in 0..workers {
            let worker = Worker {
                database: database.clone(),
                queue: Arc::clone(&receiver),
                run: Arc::clone(&run),
                on_commit: on_commit.clone(),
            };
            database.tasks().spawn(worker.work(database.stopping().clone()));
        }
        Self { queue: sender, when_full }
    }

    /// Runs a use case with those that wait beside it. Dropping the future does not undo it.
    pub(super) async fn submit(&self, item: I) -> Result<O> {
        let (caller, outcome) = oneshot::channel();
        let waiting = Waiting { item, caller };
        match self.when_full {
            WhenFull::Refuse => self.queue.try_send(waiting).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Busy,
                mpsc::error::TrySendError::Closed(_) => Error::Closed,
            })?,
            WhenFull::Wait => self.queue.send(waiting).await.map_err(|_| Error::Closed)?,
        }
        outcome.await.unwrap_or(Err(Error::Closed))
    }
}

struct Worker<I, O, F> {
    database: Database,
    queue: Arc<Mutex<mpsc::Receiver<Waiting<I, O>>>>,
    run: Arc<F>,
    on_commit: Option<CommitObserver>,
}

impl<I, O, F, R> Worker<I, O, F>
where
    I: Clone + Send,
    O: Send,
    F: Fn(Database, Vec<I>) -> R + Send + Sync,
    R: Future<Output = Result<Vec<O>>> + Send,
{
    /// Takes what waits until the store is closed and nothing is left.
    async fn work(self, stop: CancellationToken) {
        while let Some(batch) = self.next(&stop).await {
            let (items, callers): (Vec<I>, Vec<_>) =
                batch.into_iter().map(|waiting| (waiting.item, waiting.caller)).unzip();
            for (caller, outcome) in callers.into_iter().zip(self.commit(items).await) {
                // The caller may have gone.
                let _ = caller.send(outcome);
            }
        }
    }

    async fn next(&self, stop: &CancellationToken) -> Option<Vec<Waiting<I, O>>> {
        let mut queue = self.queue.lock().await;
        let mut batch = Vec::new();
        let taken = tokio::select! {
            taken = queue.recv_many(&mut batch, MAX_BATCH) => taken,
            () = stop.cancelled() => {
                queue.close();
                queue.recv_many(&mut batch, MAX_BATCH).await
            }
        };
        (taken > 0).then_some(batch)
    }

    async fn commit(&self, items: Vec<I>) -> Vec<Result<O>> {
        let alone = (items.len() > 1).then(|| items.clone());
        match (self.attempt(items).await, alone) {
            (Ok(outcomes), _) => outcomes.into_iter().map(Ok).collect(),
            (Err(error), None) => vec![Err(error)],
            (Err(error), Some(items)) if error.is_temporary() => {
                items.iter().map(|_| Err(error.clone())).collect()
            }
            (Err(_), Some(items)) => self.commit_alone(items).await,
        }
    }

    /// One of them fails, and only that one shall.
    async fn commit_alone(&self, items: Vec<I>) -> Vec<Result<O>> {
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            let outcome = self.attempt(vec![item]).await;
            outcomes.push(outcome.and_then(|mut one| one.pop().ok_or_else(miscounted)));
        }
        outcomes
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "measures how long a commit takes; nothing is decided by it"
    )]
    async fn attempt(&self, items: Vec<I>) -> Result<Vec<O>> {
        let size = items.len();
        let begun = Instant::now();
        let run = AssertUnwindSafe((self.run)(self.database.clone(), items)).catch_unwind();
        let outcomes = run.await.unwrap_or_else(|_| Err(Error::Backend("a use case panicked".to_owned())))?;
        if outcomes.len() != size {
            return Err(miscounted());
        }
        if let Some(observer) = &self.on_commit {
            observer(size, begun.elapsed());
        }
        Ok(outcomes)
    }
}

fn miscounted() -> Error {
    Error::Backend("a batch of use cases has another number of outcomes".to_owned())
}
