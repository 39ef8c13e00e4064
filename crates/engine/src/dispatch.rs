//! Claims what waits, for as many slots as are free.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_store as store;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::driver::{Activity, Round, RoundFuture};
use crate::slots::Places;

/// The most predictions that one round claims.
const CLAIM: usize = 64;

/// Claims waiting predictions and starts their runs.
pub(crate) struct Dispatch {
    shared: Arc<Shared>,
    /// When it last looked for whatever there is, by the clock that does not step.
    looked_at: Mutex<Duration>,
}

impl Dispatch {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let looked_at = Mutex::new(shared.clock.monotonic());
        Self { shared, looked_at }
    }

    async fn claim(&self) -> store::Result<Round> {
        let shared = &self.shared;
        if shared.soft.is_cancelled() {
            return Ok(Round::Done);
        }
        self.look_now_and_then();
        let Some(look) = shared.backlog.look() else { return Ok(Round::Done) };
        let Some(places) = Places::take(shared, &look, CLAIM) else {
            // Whoever frees a slot wakes the dispatcher.
            shared.backlog.look_again(&look);
            return Ok(Round::Done);
        };
        let deadline = shared.clock.now() + shared.config.limits.setup;
        let claim = shared.store.claim(&shared.node, places.wanted(), places.count(), deadline).await;
        let claimed = claim.inspect_err(|_| shared.backlog.look_again(&look))?;
        let full = claimed.len() == places.count() as usize;
        if full {
            shared.backlog.look_again(&look);
        }
        for (claimed, slot) in places.give(claimed, &shared.backlog) {
            shared.start_run(claimed, slot);
        }
        Ok(if full { Round::More } else { Round::Done })
    }

    /// What was announced to nobody is found by looking.
    fn look_now_and_then(&self) {
        let now = self.shared.clock.monotonic();
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(*looked_at) >= self.shared.config.poll {
            *looked_at = now;
            self.shared.backlog.expect_anything();
        }
    }
}

impl Activity for Dispatch {
    fn name(&self) -> &'static str {
        "dispatch"
    }

    fn activate(&self) -> RoundFuture<'_> {
        Box::pin(self.claim())
    }
}

impl Shared {
    pub(crate) fn lock_strays(&self) -> MutexGuard<'_, HashSet<(PredictionId, u64)>> {
        self.strays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock_running(&self) -> MutexGuard<'_, HashMap<PredictionId, CancellationToken>> {
        // The map is whole after every statement, so a panic elsewhere while it was locked does not spoil it.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
