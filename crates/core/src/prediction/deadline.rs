//! How long a prediction may stay in each part of its life.

use std::time::Duration;

use super::{Request, State};
use crate::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// Which limit a deadline stands for.
    DeadlineKind {
        /// The caller's `Cancel-After`.
        CancelAfter = "cancel_after",
        /// The longest wait for a free instance.
        Queue = "queue",
        /// The longest time from being taken by an instance to the model's first sign of work.
        Setup = "setup",
        /// The longest run.
        Run = "run",
    }
}

/// When a prediction ends at the latest, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The moment.
    pub at: Timestamp,
    /// The reason.
    pub kind: DeadlineKind,
}

/// The server's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From creation until an instance takes the prediction.
    pub queue: Duration,
    /// From then until the model begins.
    pub setup: Duration,
    /// From then until the model ends. Replicate's is 30 minutes.
    pub run: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            queue: Duration::from_secs(24 * 60 * MINUTE),
            setup: Duration::from_secs(10 * MINUTE),
            run: Duration::from_secs(30 * MINUTE),
        }
    }
}

impl Limits {
    /// The deadline that is in force in `state`: the server's or the caller's, whichever comes first. `claimed_at` is when
    /// an instance took the prediction, if one has. A prediction that has ended has none.
    pub fn deadline(
        &self,
        request: &Request,
        state: &State,
        claimed_at: Option<Timestamp>,
    ) -> Option<Deadline> {
        let own = match (state, claimed_at) {
            (State::Ended(_), _) => return None,
            (State::Processing { started_at }, _) => {
                Deadline { at: *started_at + self.run, kind: DeadlineKind::Run }
            }
            (State::Starting, Some(at)) => Deadline { at: at + self.setup, kind: DeadlineKind::Setup },
            (State::Starting, None) => {
                Deadline { at: request.created_at + self.queue, kind: DeadlineKind::Queue }
            }
        };
        let asked = request.cancel_at.map(|at| Deadline { at, kind: DeadlineKind::CancelAfter });
        Some(asked.filter(|asked| asked.at <= own.at).unwrap_or(own))
    }
}
