//! After a prediction has ended: the last of what was printed, and whether the slot can be used again.

use std::time::Duration;

use super::super::control::Message;
use super::super::mark::Call;
use super::{Idle, MAX_LOG, Run, Verdict};

/// How long a slot may take to become free after its prediction has ended.
const IDLE_GRACE: Duration = Duration::from_secs(10);

/// How long a process may take to end whose connection has ended.
const GONE_GRACE: Duration = Duration::from_secs(3);

/// How long the last words of child processes are waited for.
const SAID_GRACE: Duration = Duration::from_millis(500);

impl Run<'_> {
    /// Waits until the slot is free and all that was printed is here; whether the slot can be used again.
    pub(super) async fn settle(&mut self, verdict: &Verdict) -> bool {
        if matches!(verdict, Verdict::Gone) {
            self.outlive(GONE_GRACE, "The model process was killed: it had closed its connections.").await;
            return false;
        }
        if !self.becomes_idle().await {
            self.outlive(
                Duration::ZERO,
                "The model process was killed: it did not become free after a prediction.",
            )
            .await;
            return false;
        }
        self.hear_out().await;
        true
    }

    async fn becomes_idle(&mut self) -> bool {
        let mut grace = self.worker.life.clock.sleep(IDLE_GRACE);
        let dead = self.worker.life.dead();
        while self.idle == Idle::No {
            tokio::select! {
                Some(message) = self.messages.recv() => self.note_late(message).await,
                () = dead.cancelled() => return false,
                () = &mut grace => return false,
            }
        }
        self.idle == Idle::Yes
    }

    /// Waits for the death of the worker, and kills it when it takes too long.
    async fn outlive(&mut self, grace: Duration, cause: &str) {
        let life = &self.worker.life;
        let dead = life.dead();
        let mut grace = Some(life.clock.sleep(grace));
        while !dead.is_cancelled() {
            tokio::select! {
                Some(message) = self.messages.recv() => self.note_late(message).await,
                () = dead.cancelled() => {}
                () = async { grace.as_mut().expect("asked for only while it is there").await }, if grace.is_some() => {
                    grace = None;
                    life.kill(cause);
                }
            }
        }
        while let Ok(message) = self.messages.try_recv() {
            self.note_late(message).await;
        }
    }

    /// Waits for the last of what child processes have printed. A model that has closed its standard streams is
    /// waited for in vain, but only once.
    async fn hear_out(&mut self) {
        let Some(Call { number, .. }) = self.call.filter(|_| self.worker.hears_children()) else { return };
        let mut grace = self.worker.life.clock.sleep(SAID_GRACE);
        while self.said.stdout < number || self.said.stderr < number {
            tokio::select! {
                Some(message) = self.messages.recv() => self.note_late(message).await,
                () = &mut grace => return self.worker.stop_hearing_children(),
            }
        }
    }

    /// Takes a message after the prediction has ended. Whether anybody still reads the logs does not matter any more.
    async fn note_late(&mut self, message: Message) {
        self.note(message);
        if self.log.len() > MAX_LOG && self.report_log().await.is_err() {
            self.log.clear();
        }
    }
}
