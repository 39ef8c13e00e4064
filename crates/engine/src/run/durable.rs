//! What a run has said becomes durable, however long the store cannot take it.

use std::time::Duration;

use cogwire_core::prediction::{Event, Loss, Report, State};
use cogwire_store::Signal;
use cogwire_store::prediction::Guard;

use super::{FIRST_RETRY, Going, LONGEST_RETRY, RunLoop};
use crate::commit::Outcome;

impl RunLoop {
    pub(super) fn has_pending(&self) -> bool {
        self.pending != Report::default()
    }

    /// Makes what is pending durable, however long the store cannot take it; only a stop of the run gives up. Nothing
    /// pending means that the run is over.
    pub(super) async fn flush(&mut self) -> Going {
        if !self.has_pending() {
            return Going::Over;
        }
        let report = std::mem::take(&mut self.pending);
        let ends = report.end.is_some();
        let now = self.shared.clock.now();
        self.next_flush = now + self.shared.config.stream_flush;
        let Ok(transition) = self.prediction.apply(Event::Ran(report), now, &self.shared.links) else {
            tracing::error!(prediction_id = %self.prediction.id(), "a model reported what cannot be; its run is ended");
            return self.give_up().await;
        };
        let mut pause = FIRST_RETRY;
        loop {
            let guard = Guard::Holder(self.lease.clone());
            match self
                .shared
                .commit(&mut self.prediction, transition.clone(), guard, Some(self.claimed_at))
                .await
            {
                Ok(Outcome::Committed) if !ends => return Going::On,
                Ok(Outcome::Committed | Outcome::Fenced) => return Going::Over,
                // Only the holder moves a revision, so this run and the store disagree about what was committed.
                Ok(Outcome::Conflict) => return self.give_up().await,
                Err(error) => {
                    tracing::warn!(prediction_id = %self.prediction.id(), %error, "progress could not be stored and is tried again");
                    if self.pause(pause).await == Going::Over {
                        return Going::Over;
                    }
                    pause = (pause * 2).min(LONGEST_RETRY);
                }
            }
        }
    }

    /// Ends a run that cannot be told from the store's side, so that it is never left without an end.
    async fn give_up(&self) -> Going {
        if let Err(error) = self.shared.end(self.prediction.id(), Event::Lost(Loss::Interrupted)).await {
            tracing::error!(prediction_id = %self.prediction.id(), %error, "the run could not be ended; its deadline will");
        }
        Going::Over
    }

    pub(super) async fn pause(&self, pause: Duration) -> Going {
        tokio::select! {
            () = self.shared.clock.sleep(pause) => Going::On,
            () = self.cancel.cancelled() => Going::Over,
        }
    }

    /// At a hard stop, a prediction that has shown no sign of life goes back to the queue: the next start runs it without
    /// counting this run.
    pub(super) async fn release_if_unbegun(&self) {
        if self.prediction.revision > 0 || !self.shared.hard.is_cancelled() {
            return;
        }
        let Some(deadline) =
            self.shared.config.limits.deadline(&self.prediction.request, &State::Starting, None)
        else {
            return;
        };
        match self.shared.store.release(self.prediction.id(), &self.lease, deadline).await {
            Ok(()) => self.shared.tell(Signal::Queued),
            Err(error) => {
                tracing::debug!(prediction_id = %self.prediction.id(), %error, "not released; another start takes it over");
            }
        }
    }
}
