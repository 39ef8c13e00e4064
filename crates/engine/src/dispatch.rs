//! Claims what waits, for as many slots as are free.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use cogwire_core::id::PredictionId;
use cogwire_store as store;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::driver::{Activity, Round, RoundFuture};
use crate::slots::Places;

/// The most predictions that one round claims.
const CLAIM: usize = 64;

/// Claims waiting predictions and starts their runs.
pub(crate) struct Dispatch(Arc<Shared>);

impl Dispatch {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    async fn claim(&self) -> store::Result<Round> {
        let shared = &self.0;
        if shared.soft.is_cancelled() {
            return Ok(Round::Done);
        }
        let Some(places) = Places::take(&shared.slots, &shared.runner, CLAIM) else { return Ok(Round::Done) };
        let deadline = shared.clock.now() + shared.config.limits.setup;
        let claimed = shared.store.claim(&shared.node, places.wanted(), places.count(), deadline).await?;
        let full = claimed.len() == places.count() as usize;
        for (claimed, slot) in places.give(claimed, &shared.backlog) {
            shared.start_run(claimed, slot);
        }
        Ok(if full { Round::More } else { Round::Done })
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
