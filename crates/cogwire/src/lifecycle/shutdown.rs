//! How the process ends: two tokens, a tracker, and who may pull them.
//!
//! **Soft** means: take nothing new, finish what there is. **Hard** means: drop it; nothing that is durable depends on it.
//! Soft comes with the first SIGTERM or SIGINT, hard with the second or when the grace period is over. A task that ends on
//! its own before that brings the process down as a failure.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cogwire_core::time::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tokens and tasks of one server.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    signals: TaskTracker,
    failed: Arc<OnceLock<&'static str>>,
}

/// A task ended although nobody had asked the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server stopped because its {0} stopped; the log above says why")]
pub struct Stopped(pub &'static str);

impl Lifecycle {
    /// Take nothing new.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Drop what there is.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Starts a task that must live until the process stops. When it ends earlier, a panic included, everything stops.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let guard = EndGuard { name, lifecycle: self.clone() };
        self.tasks.spawn(async move {
            let _guard = guard;
            task.await;
        });
    }

    /// Starts the task that turns signals into tokens. `grace` is the time from soft to hard.
    ///
    /// # Errors
    /// When the operating system does not let this process listen for signals.
    pub fn listen_for_signals(&self, grace: Duration, clock: Arc<dyn Clock>) -> std::io::Result<()> {
        let signals = Signals::new()?;
        let lifecycle = self.clone();
        self.signals.spawn(async move { lifecycle.obey(signals, grace, clock).await });
        Ok(())
    }

    /// Waits for soft, then for every task.
    ///
    /// # Errors
    /// When a task had ended on its own.
    pub async fn finished(&self) -> Result<(), Stopped> {
        self.soft.cancelled().await;
        self.tasks.close();
        self.tasks.wait().await;
        self.hard.cancel();
        self.signals.close();
        self.signals.wait().await;
        self.failed.get().map_or(Ok(()), |name| Err(Stopped(name)))
    }

    async fn obey(&self, mut signals: Signals, grace: Duration, clock: Arc<dyn Clock>) {
        tokio::select! {
            () = signals.next() => {
                tracing::info!(grace_seconds = grace.as_secs(), "stopping: runs may finish; a second signal stops at once");
            }
            () = self.soft.cancelled() => {}
        }
        self.soft.cancel();
        tokio::select! {
            () = signals.next() => tracing::warn!("stopping at once: a second signal came"),
            () = clock.sleep(grace) => tracing::warn!("stopping at once: the grace period is over"),
            () = self.hard.cancelled() => {}
        }
        self.hard.cancel();
    }
}

/// Notices the end of a task, however it ends.
struct EndGuard {
    name: &'static str,
    lifecycle: Lifecycle,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if !self.lifecycle.soft.is_cancelled() && self.lifecycle.failed.set(self.name).is_ok() {
            tracing::error!(task = self.name, "a task ended that must not end; the server stops");
        }
        if self.lifecycle.failed.get().is_some() {
            self.lifecycle.soft.cancel();
        }
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_on_its_own_stops_everything() {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn("listener", async {});
        assert_eq!(lifecycle.finished().await, Err(Stopped("listener")));
    }

    #[tokio::test]
    async fn a_panic_counts_as_an_end() {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn("sender", async { panic!("broken") });
        assert_eq!(lifecycle.finished().await, Err(Stopped("sender")));
    }

    #[tokio::test]
    async fn an_orderly_stop_is_no_failure() {
        let lifecycle = Lifecycle::default();
        let soft = lifecycle.soft().clone();
        lifecycle.spawn("listener", async move { soft.cancelled().await });
        lifecycle.soft().cancel();
        assert_eq!(lifecycle.finished().await, Ok(()));
    }
}
