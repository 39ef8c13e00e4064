//! What only a running process has: the machine's clock and randomness, signals, and the order in which it stops.
//!
//! This is the only file that reads the clock. Everything below takes [`SystemClock`] and [`SystemEntropy`] as arguments.

mod corrected;
mod shutdown;

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cogwire_core::time::{Clock, Entropy, Sleep, Timestamp};

pub use corrected::CorrectedClock;
pub use shutdown::{Lifecycle, Stopped};

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn monotonic(&self) -> Duration {
        static FIRST_LOOK: OnceLock<Instant> = OnceLock::new();
        FIRST_LOOK.get_or_init(Instant::now).elapsed()
    }

    /// Measured on the monotonic clock: setting the clock back must not make anybody wait for hours.
    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        Box::pin(tokio::time::sleep(deadline.since(self.now())))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("an operating system without randomness cannot make keys");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeping_until_a_time_reaches_it() {
        let deadline = SystemClock.now() + Duration::from_millis(5);
        SystemClock.sleep_until(deadline).await;
        assert!(SystemClock.now() >= deadline);
        SystemClock.sleep_until(Timestamp::from_micros(0)).await;
    }

    #[test]
    fn randomness_differs() {
        assert_ne!(SystemEntropy.bits(), SystemEntropy.bits());
    }
}
