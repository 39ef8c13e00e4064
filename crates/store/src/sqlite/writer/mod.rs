//! The one thread that writes.
//!
//! Callers queue use cases; the thread takes all that waits, runs each in one transaction, commits, and then answers. So
//! under load many use cases share one flush, and without load one does not wait for others.
//!
//! Promises: an answer other than an error is durable; an error means that nothing of the use case happened. When
//! storage fails, the whole batch is undone and each member is told; the thread goes on and works again once storage
//! does. Only a failed flush ends the process: after it, the system may have dropped pages that it had accepted, so
//! neither what is on the disk nor what later commits build on is known. Starting again reads what is really there.

mod batch;
mod checkpoint;
mod job;
mod queue;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use self::checkpoint::Checkpoints;
use self::job::{Job, job};
use self::queue::Queue;
use super::failure::{Failure, Outcome};
use crate::error::{Error, Result};

pub(super) use self::batch::Batch;
pub(super) use self::queue::Class;

/// Told after each commit: how many use cases it held, and how long it took from its beginning until it was durable.
pub type CommitObserver = Arc<dyn Fn(usize, Duration) + Send + Sync>;

/// How often a batch waits for another process that has the database locked, each time for the connection's own timeout.
const LOCKED_TRIES: u32 = 6;

/// The handle of the writer thread.
pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread, which owns the connection.
    pub(super) fn start(
        mut db: Connection,
        api_limit: usize,
        on_commit: Option<CommitObserver>,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(api_limit));
        let checkpoints = Checkpoints::watch(&mut db).map_err(Error::from)?;
        let work = Thread { db, checkpoints, queue: Arc::clone(&queue), on_commit };
        let spawned = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || work.run());
        let thread =
            spawned.map_err(|error| Error::Backend(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    /// Writes a use case and waits until it is durable. Dropping the future does not undo it. `work` is done again when a use
    /// case beside it fails, because all of them are undone then; so it must not change anything but the database.
    pub(super) async fn write<T, F>(&self, class: Class, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Batch<'_>) -> Outcome<T> + Send + 'static,
    {
        let (work, answer) = job(work);
        self.queue.push(class, work)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Refuses new work, writes what is queued, checkpoints and ends the thread.
    pub(super) async fn close(&self) {
        self.queue.close();
        if let Some(thread) = self.take_thread() {
            // Joining blocks. The thread catches the panics of use cases; any other was reported when it happened.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    fn take_thread(&self) -> Option<JoinHandle<()>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A writer that was not closed is closed all the same, so that a directory is not freed while it is written to.
impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.take_thread() {
            let _ = thread.join();
        }
    }
}

struct Thread {
    db: Connection,
    checkpoints: Checkpoints,
    queue: Arc<Queue>,
    on_commit: Option<CommitObserver>,
}

impl Thread {
    fn run(mut self) {
        let _abandon = AbandonOnExit(Arc::clone(&self.queue));
        while let Some(jobs) = self.queue.take() {
            self.write(jobs);
            report(self.checkpoints.after_batch(&self.db));
        }
        report(checkpoint::everything(&self.db));
    }

    fn write(&self, mut jobs: Vec<Box<dyn Job>>) {
        if let Err(failure) = self.commit(&mut jobs) {
            end_process_on_failed_flush(&failure);
            let error = Error::from(failure);
            tracing::error!(use_cases = jobs.len(), %error, "a batch of writes was undone");
            jobs.iter_mut().for_each(|job| job.fail(error.clone()));
        }
        jobs.into_iter().for_each(Job::answer);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "measures how long a commit takes; nothing is decided by it"
    )]
    fn commit(&self, jobs: &mut [Box<dyn Job>]) -> Outcome<()> {
        let begun = Instant::now();
        let outcome = self.commit_when_unlocked(jobs);
        if let (Ok(()), Some(observer)) = (&outcome, &self.on_commit) {
            observer(jobs.len(), begun.elapsed());
        }
        outcome
    }

    /// Only the beginning of the transaction can find the database locked, so no job has run when it is tried again.
    fn commit_when_unlocked(&self, jobs: &mut [Box<dyn Job>]) -> Outcome<()> {
        for _ in 1..LOCKED_TRIES {
            match batch::commit(&self.db, jobs) {
                Err(failure) if failure.is_locked() => {
                    tracing::warn!("another process has locked the database");
                }
                outcome => return outcome,
            }
        }
        batch::commit(&self.db, jobs)
    }
}

/// A checkpoint that did not happen is tried again after the next batch; what is committed is safe in the log.
fn report(checkpoint: Outcome<()>) {
    if let Err(failure) = checkpoint {
        end_process_on_failed_flush(&failure);
        tracing::warn!(error = %Error::from(failure), "the write-ahead log was not checkpointed");
    }
}

/// However the thread ends, nobody waits for it for ever.
struct AbandonOnExit(Arc<Queue>);

impl Drop for AbandonOnExit {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn end_process_on_failed_flush(failure: &Failure) {
    if failure.is_failed_flush() {
        tracing::error!(
            "the disk did not confirm a write (fsync failed): ending, because what it holds is unknown"
        );
        std::process::abort();
    }
}
