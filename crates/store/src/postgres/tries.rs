//! What is tried again, and what a caller is told when it is not.

use std::time::Duration;

use super::failure::Failure;
use crate::error::{Error, Result};

/// How often a use case is run again when other transactions are in its way.
const CONFLICTS: u32 = 8;

/// The first pause before that; each is twice as long as the one before it.
const CONFLICT_PAUSE: Duration = Duration::from_millis(1);

/// How often a use case is run again on another connection. Several connections are lost at once when the server
/// restarts, and a pool may hold some more that nobody has noticed yet.
const LOSSES: u32 = 3;

/// What to do when the connection is lost while the database may have made a change durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Run it again: a second time changes nothing, or its outcome is as good.
    Safe,
    /// Say that nobody knows: [`Error::Uncertain`].
    Never,
}

/// A use case that failed, and whether something may have happened all the same.
pub(super) struct Failed {
    pub(super) failure: Failure,
    uncertain: bool,
}

impl Failed {
    /// Nothing has happened: what was done is undone with the connection.
    pub(super) fn before_commit(failure: Failure) -> Self {
        Self { failure, uncertain: false }
    }

    /// Nobody knows, when the answer did not arrive. A refusal is an answer.
    pub(super) fn in_commit(failure: Failure) -> Self {
        Self { uncertain: failure.is_lost(), failure }
    }
}

/// What a use case has been through.
#[derive(Debug, Default)]
pub(super) struct Tries {
    conflicts: u32,
    losses: u32,
    /// Whether an earlier try may have changed something.
    uncertain: bool,
}

impl Tries {
    /// Returns when it is time to try again, and fails when it is not tried again.
    pub(super) async fn again_after(&mut self, failed: Failed, repeat: Repeat) -> Result<()> {
        self.uncertain |= failed.uncertain;
        if failed.failure.is_lost() {
            self.losses += 1;
            let repeatable = !failed.uncertain || repeat == Repeat::Safe;
            if repeatable && self.losses <= LOSSES {
                return Ok(());
            }
        } else if failed.failure.is_conflict() && self.conflicts < CONFLICTS {
            tokio::time::sleep(CONFLICT_PAUSE * (1 << self.conflicts)).await;
            self.conflicts += 1;
            return Ok(());
        }
        Err(self.explain(failed.failure.into()))
    }

    /// A try that may have changed something is not undone by a later one that did not get through.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Unavailable(text) if self.uncertain => Error::Uncertain(text),
            Error::Busy if self.uncertain => Error::Uncertain(Error::Busy.to_string()),
            other => other,
        }
    }
}
