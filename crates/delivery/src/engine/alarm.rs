//! One timer that is set anew again and again.

use std::sync::Arc;

use cogwire_core::time::{Clock, Sleep, Timestamp};

/// Rings once for each time that it is set to.
pub(super) struct Alarm {
    clock: Arc<dyn Clock>,
    at: Timestamp,
    sleep: Sleep,
}

impl Alarm {
    pub(super) fn new(clock: Arc<dyn Clock>, at: Timestamp) -> Self {
        let sleep = clock.sleep_until(at);
        Self { clock, at, sleep }
    }

    /// Sets the time. A timer costs something, so one that rings early, but later than now, is left as it is.
    pub(super) fn set(&mut self, at: Timestamp) {
        let now = self.clock.now();
        if self.at <= now || at < self.at {
            (self.at, self.sleep) = (at, self.clock.sleep_until(at));
        }
    }

    /// Completes when the time has come.
    pub(super) async fn rings(&mut self) {
        self.sleep.as_mut().await;
        // A completed timer must not be asked again.
        self.sleep = Box::pin(std::future::pending());
        self.at = Timestamp::from_micros(i64::MIN);
    }
}
