//! What only a running process has: the machine's clock and randomness, signals, and the order in which it stops.
//!
//! This is the only file that reads the clock. Everything below takes [`SystemClock`] and [`SystemEntropy`] as arguments.

mod corrected;
mod shutdown;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

    fn monotonic(&self) -> Duration {
        since_a_fixed_moment()
    }

    /// Measured on the monotonic clock: setting the clock back must not make anybody wait for hours.
    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        Box::pin(tokio::time::sleep(deadline.since(self.now())))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Linux has a clock that also runs while the whole machine is suspended: what a laptop or a virtual machine held before it
/// slept may be somebody else's when it wakes.
#[cfg(target_os = "linux")]
fn since_a_fixed_moment() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).expect("no machine was started in the future")
}

/// Elsewhere the clock may stand still while the machine is suspended. Whoever suspends machines that share a database
/// stops their servers first.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn since_a_fixed_moment() -> Duration {
    static FIRST_LOOK: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    FIRST_LOOK.get_or_init(std::time::Instant::now).elapsed()
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
