//! Whether a worker lives, and why it died.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cogwire_core::time::Clock;
use tokio_util::sync::CancellationToken;

use crate::process::Process;

/// How long a process that has closed its channel may take to end.
const EXIT_GRACE: Duration = Duration::from_secs(2);

/// Why a process was killed that did not obey; the time follows.
pub(in crate::runtime) const NOT_CANCELLED: &str =
    "The model process was killed: a cancelled prediction did not end within";

/// The life of one worker. The first cause of its death is the one that counts.
pub(in crate::runtime) struct Life {
    pub(in crate::runtime) process: Process,
    pub(in crate::runtime) clock: Arc<dyn Clock>,
    dead: CancellationToken,
    cause: OnceLock<String>,
}

impl Life {
    pub(in crate::runtime) fn new(process: Process, clock: Arc<dyn Clock>) -> Self {
        Self { process, clock, dead: CancellationToken::new(), cause: OnceLock::new() }
    }

    /// Says why it is about to die.
    pub(in crate::runtime) fn blame(&self, cause: impl Into<String>) {
        let _ = self.cause.set(cause.into());
    }

    /// Kills it.
    pub(in crate::runtime) fn kill(&self, cause: impl Into<String>) {
        self.blame(cause);
        self.process.kill();
    }

    /// Waits until nothing of a worker is left that has closed its channel, and says so.
    pub(in crate::runtime) async fn end(&self) {
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
    pub(in crate::runtime) fn dead(&self) -> CancellationToken {
        self.dead.clone()
    }

    pub(in crate::runtime) fn cause(&self) -> Option<String> {
        self.dead.is_cancelled().then(|| self.cause.get().cloned()).flatten()
    }

    /// Waits for the death, and gives its cause.
    pub(in crate::runtime) async fn death(&self) -> String {
        self.dead.cancelled().await;
        self.cause().unwrap_or_default()
    }
}
