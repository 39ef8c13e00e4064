//! Writes to the store that must not be given up: attempts that have ended, and lanes to free.
//!
//! They are repeated until they succeed or the process is told to stop at once. What is not recorded is sent again after
//! the next start, under the same `webhook-id`.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::time::Clock;
use cogwire_store::delivery::{FinishedAttempt, LaneOutcome};
use cogwire_store::failpoint;
use cogwire_store::{DeliveryStore, NodeEpoch};
use tokio_util::sync::CancellationToken;

/// What it takes to write.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) store: Arc<dyn DeliveryStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) node: NodeEpoch,
    pub(crate) pause: Duration,
    pub(crate) give_up: CancellationToken,
}

impl Recorder {
    /// Records attempts in one commit. Outcomes are in the order of the attempts.
    pub(crate) async fn finish(&self, finished: Arc<[FinishedAttempt]>) -> Vec<LaneOutcome> {
        loop {
            let recorded = self.store.finish_attempts(Arc::clone(&finished), self.clock.now()).await;
            failpoint::reached("attempt.recorded");
            let error = match recorded {
                Ok(outcomes) => return outcomes,
                Err(error) => error,
            };
            tracing::warn!(%error, attempts = finished.len(), "could not record webhook attempts");
            if !error.is_temporary() && finished.len() > 1 {
                return self.finish_each(&finished).await;
            }
            if !error.is_temporary() || !self.may_try_again().await {
                return finished.iter().map(|_| LaneOutcome::Fenced).collect();
            }
        }
    }

    /// Frees lanes.
    pub(crate) async fn release(&self, lanes: Vec<(PredictionId, u64)>) {
        loop {
            let released = self.store.release_lanes(&self.node, &lanes).await;
            failpoint::reached("lanes.released");
            let Err(error) = released else { return };
            tracing::warn!(%error, lanes = lanes.len(), "could not give webhooks back that are not sent now");
            if !error.is_temporary() || !self.may_try_again().await {
                return;
            }
        }
    }

    /// The lanes that the store takes this node to hold; none when it cannot say.
    pub(crate) async fn held_lanes(&self) -> Vec<(PredictionId, u64)> {
        let held = self.store.held_lanes(&self.node).await;
        held.inspect_err(|error| tracing::debug!(%error, "could not compare the lanes")).unwrap_or_default()
    }

    /// One attempt that cannot be recorded must not keep the others from it. Its lane is given back by an
    /// audit, and what it owes is sent again.
    async fn finish_each(&self, finished: &[FinishedAttempt]) -> Vec<LaneOutcome> {
        let mut outcomes = Vec::with_capacity(finished.len());
        for attempt in finished {
            outcomes.extend(Box::pin(self.finish([attempt.clone()].into())).await);
        }
        outcomes
    }

    async fn may_try_again(&self) -> bool {
        self.give_up.run_until_cancelled(self.clock.sleep(self.pause)).await.is_some()
    }
}
