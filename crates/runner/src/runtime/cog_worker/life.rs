//! Whether a worker lives, and why it died.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cogwire_core::time::Clock;
use tokio_util::sync::CancellationToken;

use crate::process::Process;

/// How long a process that has closed its channel may take to end.
const EXIT_GRACE: Duration = Duration::from_secs(2);

/// The life of one worker. The first cause of its death is the one that counts.
pub(super) struct Life {
    pub(super) process: Process,
    pub(super) clock: Arc<dyn Clock>,
    dead: CancellationToken,
    cause: OnceLock<String>,
}

impl Life {
    pub(super) fn new(process: Process, clock: Arc<dyn Clock>) -> Self {
        Self { process, clock, dead: CancellationToken::new(), cause: OnceLock::new() }
    }

    /// Says why it is about to die.
    pub(super) fn blame(&self, cause: impl Into<String>) {
        let _ = self.cause.set(cause.into());
    }

    /// Kills it.
    pub(super) fn kill(&self, cause: impl Into<String>) {
        self.blame(cause);
        self.process.kill();
    }

    /// Waits until nothing of a worker is left that has closed its channel, and says so.
    pub(super) async fn end(&self) {
        let exit = tokio::select! {
            exit = self.process.exited() => exit,
            () = self.clock.sleep(EXIT_GRACE) => {
                self.process.kill();
                self.process.exited().await
            }
        };
        self.blame(exit.sentence());
        self.dead.cancel();
    }

    /// Cancelled once it is dead.
    pub(super) fn dead(&self) -> CancellationToken {
        self.dead.clone()
    }

    pub(super) fn cause(&self) -> Option<String> {
        self.dead.is_cancelled().then(|| self.cause.get().cloned()).flatten()
    }

    /// Waits for the death, and gives its cause.
    pub(super) async fn death(&self) -> String {
        self.dead.cancelled().await;
        self.cause().unwrap_or_default()
    }
}
