//! What a step of a lane came to.

use cogwire_store::delivery::{ClaimedLane, FinishedAttempt};

use crate::health::Health;
use crate::obstacle::Obstacle;

/// What a step came to.
#[derive(Debug)]
pub(crate) enum End {
    /// There was an attempt, which must be recorded.
    Finished(Box<FinishedAttempt>, Health),
    /// Nothing was sent, for a reason on this side; the lane is still held.
    TryLater(Obstacle),
    /// Nothing is due; the lane is still held.
    NotDue,
    /// It was dropped, because the process stops at once or the lease is about to end; the lane is still held.
    Dropped,
    /// The lane is not this node's any more.
    Gone,
}

impl End {
    /// Nothing was sent.
    pub(crate) fn before_the_attempt(lane: &ClaimedLane, obstacle: Obstacle) -> Self {
        let prediction_id = lane.prediction;
        match obstacle {
            Obstacle::NotHeld => tracing::debug!(%prediction_id, "a webhook is not sent from here"),
            Obstacle::NoBytes => {
                tracing::error!(%prediction_id, %obstacle, "a webhook cannot be sent");
            }
            _ => return Self::TryLater(obstacle),
        }
        Self::Gone
    }

    /// What the step says about the receiver.
    pub(crate) fn health(&self) -> Health {
        match self {
            Self::Finished(_, health) => *health,
            _ => Health::Unknown,
        }
    }
}
