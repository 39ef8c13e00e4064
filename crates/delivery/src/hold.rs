//! Whether this node still holds what it has claimed.

use std::time::Duration;

/// The node's lease, as whoever renews it knows it.
pub trait Hold: Send + Sync + 'static {
    /// Whether the lease surely lasts that much longer. It must be decided by a clock that does not step, because a lane that
    /// was taken over is sent by another node at the same time.
    fn lasts(&self, time: Duration) -> bool;
}

/// The hold on a store that only one process can use: nobody can take anything over.
#[derive(Debug, Clone, Copy, Default)]
pub struct SoleHolder;

impl Hold for SoleHolder {
    fn lasts(&self, _time: Duration) -> bool {
        true
    }
}
