//! One use case on its way through the writer: the work, its outcome, and who waits for it.

use std::fmt;

use tokio::sync::oneshot;

use super::batch::Batch;
use crate::error::{Error, Result};
use crate::sqlite::failure::Outcome;

/// A use case that waits to be written.
pub(super) trait Job: Send {
    /// Does the work, and keeps its outcome for later. Called again when what it wrote was undone because of another job.
    fn run(&mut self, batch: &mut Batch<'_>) -> Outcome<()>;

    /// Replaces the outcome: what the work wrote was undone.
    fn fail(&mut self, error: Error);

    /// Tells the caller, who may have gone.
    fn answer(self: Box<Self>);
}

impl fmt::Debug for dyn Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

/// Makes a job of `work`, and where its outcome arrives.
pub(super) fn job<T, F>(work: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnMut(&mut Batch<'_>) -> Outcome<T> + Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Work { work, outcome: None, caller }), answer)
}

struct Work<T, F> {
    work: F,
    outcome: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnMut(&mut Batch<'_>) -> Outcome<T> + Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) -> Outcome<()> {
        self.outcome = Some(Ok((self.work)(batch)?));
        Ok(())
    }

    fn fail(&mut self, error: Error) {
        self.outcome = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        let _ = self.caller.send(self.outcome.unwrap_or(Err(Error::Closed)));
    }
}
