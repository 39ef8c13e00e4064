//! How the instances of a model are to be started, before there is a pool.

use std::fmt;
use std::sync::Arc;

use cogwire_core::model::ModelName;
use cogwire_core::time::Clock;
use tokio_util::task::TaskTracker;

use super::Scale;
use super::counted::Counted;
use super::instance::Launcher;
use super::pool::Pool;

/// What a pool is made of.
#[derive(Clone)]
pub(crate) struct InstancePlan {
    pub(crate) launcher: Arc<dyn Launcher>,
    pub(crate) scale: Scale,
    /// How many jobs an instance is expected to run at once.
    pub(crate) slots: usize,
}

impl InstancePlan {
    /// Makes the pool of a model, inside the runtime that will use it.
    pub(crate) fn pool(self, model: ModelName, clock: Arc<dyn Clock>, tracker: TaskTracker) -> Arc<Pool> {
        let launcher = Arc::new(Counted::new(model, self.launcher, Arc::clone(&clock)));
        Pool::start(launcher, self.scale, self.slots, clock, tracker)
    }

    /// The most jobs that run at once.
    pub(crate) fn capacity(&self) -> usize {
        self.scale.max.max(1).saturating_mul(self.slots.max(1))
    }
}

impl fmt::Debug for InstancePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstancePlan")
            .field("scale", &self.scale)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}
