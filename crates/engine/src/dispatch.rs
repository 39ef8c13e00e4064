//! Claims what waits, for as many slots as are free.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use cogwire_core::id::{PredictionId, VersionId};
use cogwire_store as store;
use cogwire_store::prediction::Wanted;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::driver::{Activity, Round, RoundFuture};

/// The most predictions that one round claims.
const CLAIM: usize = 64;

/// Claims waiting predictions and starts their runs.
pub(crate) struct Dispatch {
    shared: Arc<Shared>,
    versions: Vec<VersionId>,
}

impl Dispatch {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let versions = shared.runner.versions();
        Self { shared, versions }
    }

    async fn claim(&self) -> store::Result<Round> {
        let free = self.shared.slots.available_permits().min(CLAIM);
        let Ok(slots) = self.shared.slots.clone().try_acquire_many_owned(free as u32) else {
            return Ok(Round::More);
        };
        if free == 0 || self.shared.soft.is_cancelled() {
            return Ok(Round::Done);
        }
        let deadline = self.shared.clock.now() + self.shared.config.limits.setup;
        let wanted = self.wanted(free as u32);
        let claimed = self.shared.store.claim(&self.shared.node, &wanted, free as u32, deadline).await?;
        let full = claimed.len() == free;
        let mut slots = slots;
        for prediction in claimed {
            let slot = slots.split(1).expect("no more is claimed than slots were taken");
            self.shared.start_run(prediction, slot);
        }
        Ok(if full { Round::More } else { Round::Done })
    }

    /// Any version may have all that is free.
    fn wanted(&self, limit: u32) -> Vec<Wanted> {
        self.versions.iter().map(|version| Wanted { version: version.clone(), limit }).collect()
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
