//! A clock that a test can put forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cogwire_core::time::{Clock, Entropy, Sleep, Timestamp};
use tokio::sync::watch;

/// 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// Real time since it was made, plus what it was put forward.
#[derive(Clone)]
pub(crate) struct TestClock {
    made: Instant,
    shift: Arc<watch::Sender<Duration>>,
}

impl TestClock {
    #[expect(clippy::disallowed_methods, reason = "the one place of these tests where time comes from")]
    pub(crate) fn new() -> Self {
        Self { made: Instant::now(), shift: Arc::new(watch::Sender::new(Duration::ZERO)) }
    }

    /// Puts the clock forward. Whoever sleeps until then wakes.
    pub(crate) fn advance(&self, by: Duration) {
        self.shift.send_modify(|shift| *shift += by);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        START + self.made.elapsed() + *self.shift.borrow()
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::from_micros(0))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        let (clock, mut shift) = (self.clone(), self.shift.subscribe());
        Box::pin(async move {
            while clock.now() < deadline {
                tokio::select! {
                    () = tokio::time::sleep(deadline.since(clock.now())) => {}
                    _ = shift.changed() => {}
                }
            }
        })
    }
}

/// Counts up: ids differ, and there is no jitter to speak of.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        bytes.iter_mut().zip(next).for_each(|(byte, value)| *byte = value);
    }
}
