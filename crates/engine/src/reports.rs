//! Forgets what was sent to receivers and what came back, some time before the attempts themselves go: it is most of their bytes,
//! and is only looked at while something is wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cogwire_store as store;
use cogwire_store::delivery::AttemptPlace;

use crate::Shared;
use crate::driver::{Activity, Round, RoundFuture};

/// Goes through all attempts once, and from then on through those that have become old enough.
pub(crate) struct Reports {
    shared: Arc<Shared>,
    /// Attempts up to this one have been looked at. One that comes later, about an old prediction, keeps its report until it goes
    /// itself, or until the next start.
    looked_at: Mutex<Option<AttemptPlace>>,
}

impl Reports {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, looked_at: Mutex::default() }
    }

    async fn look(&self) -> store::Result<Round> {
        let config = &self.shared.config;
        let Some(kept) = config.webhook_report_retention else { return Ok(Round::Done) };
        let cutoff = self.shared.clock.now() - kept;
        let after = *self.lock();
        match self.shared.store.sweep_reports(cutoff, after, config.sweep_batch).await? {
            Some(next) => {
                *self.lock() = Some(next);
                Ok(Round::More)
            }
            None => Ok(Round::Done),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<AttemptPlace>> {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Activity for Reports {
    fn name(&self) -> &'static str {
        "webhook reports"
    }

    fn activate(&self) -> RoundFuture<'_> {
        Box::pin(self.look())
    }
}
