//! Real time that a test can move forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cogwire_core::time::{Clock, Sleep, Timestamp};
use tokio::sync::Notify;

/// Flows like the real clock, plus whatever the test has added. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct ShiftedClock(Arc<Inner>);

struct Inner {
    begun: Instant,
    base: i64,
    shift: AtomicI64,
    shifted: Notify,
}

impl ShiftedClock {
    #[expect(clippy::disallowed_methods, reason = "the tests' clock is made of the real one")]
    pub(crate) fn new() -> Self {
        let base = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
        Self(Arc::new(Inner {
            begun: Instant::now(),
            base: i64::try_from(base).expect("before the year 294000"),
            shift: AtomicI64::new(0),
            shifted: Notify::new(),
        }))
    }

    /// Moves the time forward; whoever sleeps until a moment that has now passed wakes.
    pub(crate) fn advance(&self, by: Duration) {
        self.0.shift.fetch_add(i64::try_from(by.as_micros()).expect("a test's time"), Ordering::SeqCst);
        self.0.shifted.notify_waiters();
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let flowed = i64::try_from(self.0.begun.elapsed().as_micros()).expect("a test's time");
        Timestamp::from_micros(self.0.base + flowed + self.0.shift.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::from_micros(0))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                let shifted = clock.0.shifted.notified();
                tokio::pin!(shifted);
                // Registered before looking at the time: a shift in between wakes.
                shifted.as_mut().enable();
                let left = deadline.since(clock.now());
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    () = shifted => {}
                    () = tokio::time::sleep(left) => {}
                }
            }
        })
    }
}
