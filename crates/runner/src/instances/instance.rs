//! What the pool asks of whatever runs models in instances: start one, give it jobs, stop it.
//!
//! A runtime that keeps something running implements both traits. It need not know how many instances there are,
//! nor why one is started or stopped.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::boot::Boot;
use crate::Job;
use crate::event::End;
use crate::reporter::{Reporter, Stopped};

/// Starts instances of one model.
#[async_trait]
pub(crate) trait Launcher: Send + Sync + 'static {
    /// Starts an instance and waits until it is ready for jobs. What it says meanwhile goes to `boot`. Dropping the
    /// future kills what was started.
    ///
    /// # Errors
    /// When it did not become ready. Nothing of it is left then.
    async fn launch(&self, boot: &Arc<Boot>) -> Result<Arc<dyn Instance>, BootError>;

    /// What starts instances that train, one for each training; `None` for a model that cannot be trained.
    fn trainer(&self) -> Option<Arc<dyn Launcher>> {
        None
    }
}

/// A running model: one process, or a server somewhere.
#[async_trait]
pub(crate) trait Instance: Send + Sync + 'static {
    /// How many jobs it runs at once; at least one.
    fn slots(&self) -> usize;

    /// Runs a job; the pool never gives more jobs than there are slots. Returns when the slot can take another job,
    /// or the instance is dead. When the reporter says that the run was stopped, the model is told to cancel, and
    /// is killed when it has not obeyed after the cancel deadline.
    async fn run(&self, job: &Job, reporter: &Reporter) -> Result<End, Stopped>;

    /// Cancelled when the instance can run nothing any more.
    fn dead(&self) -> CancellationToken;

    /// Why it died, in a sentence for users, once it has: "The model process was killed by signal 9 (SIGKILL): out
    /// of memory?"
    fn cause_of_death(&self) -> Option<String>;

    /// The process that was started, when it is one of this machine.
    fn pid(&self) -> Option<u32>;

    /// Stops it: politely first, by force when it takes longer than the grace. Returns when nothing of it is left.
    async fn stop(&self);
}

/// Why an instance did not become ready: a sentence for users.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    /// The model's own setup failed; the text is its error in one line.
    #[error("The model's setup failed: {0}")]
    Setup(String),
    /// It was not ready in time.
    #[error(
        "The model was not ready after {} s: make its setup faster, or raise setup_timeout (--setup-timeout)",
        .0.as_secs_f64()
    )]
    TimedOut(Duration),
    /// Nothing could be started.
    #[error("The model process could not be started: {program}")]
    Spawn {
        /// What should have been started.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The process ended before it was ready; the text says how ("exit status 3").
    #[error("The model process ended during its setup: {0}")]
    Exited(String),
    /// The server cannot be reached or is none of Cog's; the text says where and why.
    #[error("The model's server cannot be used: {0}")]
    Unreachable(String),
    /// This version of Cog is not known here; the text says which, and what to do.
    #[error("{0}")]
    Unsupported(String),
}
