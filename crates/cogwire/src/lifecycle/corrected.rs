//! The machine's clock, corrected by that of the database, so that leases and deadlines mean the same on every node.
//!
//! Nothing that must be correct rests on it: fences see to that. It keeps nodes whose clocks differ from taking each other's
//! work for abandoned. Only [`Clock::now`] is corrected; the monotonic clock and the length of a sleep are the machine's.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cogwire_core::time::{Clock, Sleep, Timestamp};

/// A difference that somebody should do something about.
const WORTH_A_WARNING: Duration = Duration::from_secs(5);

/// A clock that is told from time to time how much it differs from another one.
pub struct CorrectedClock {
    machine: Arc<dyn Clock>,
    /// What is added to the machine's time, in microseconds.
    offset: AtomicI64,
}

/// What a comparison of two clocks says: the other one is ahead by `ahead` microseconds, give or take `uncertainty`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Comparison {
    ahead: i64,
    uncertainty: i64,
}

impl CorrectedClock {
    /// A clock that shows the machine's time until it is compared with another one.
    pub fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, offset: AtomicI64::new(0) }
    }

    /// Asks for the time of the other clock, and follows it. Without an answer the clock stays as it is.
    ///
    /// # Errors
    /// Those of `theirs`.
    pub async fn compare<E>(
        &self,
        theirs: impl Future<Output = Result<Option<Timestamp>, E>>,
    ) -> Result<(), E> {
        let asked_at = self.machine.monotonic();
        let Some(theirs) = theirs.await? else { return Ok(()) };
        let round_trip = self.machine.monotonic().saturating_sub(asked_at);
        self.follow(Comparison::new(theirs, self.machine.now(), round_trip));
        Ok(())
    }

    fn follow(&self, comparison: Comparison) {
        let before = self.offset.load(Ordering::Relaxed);
        let offset = comparison.correct(before);
        self.offset.store(offset, Ordering::Relaxed);
        let seconds = offset as f64 / 1e6;
        metrics::gauge!("cogwire_clock_offset_seconds").set(seconds);
        if is_worth_a_warning(offset) && !is_worth_a_warning(before) {
            tracing::warn!(
                seconds,
                "this machine's clock differs from the database's; Cogwire goes by the latter: set the clock (NTP)"
            );
        }
    }
}

impl Comparison {
    /// `theirs` was read at some moment of the round trip that has just ended, at `ours`.
    fn new(theirs: Timestamp, ours: Timestamp, round_trip: Duration) -> Self {
        let micros = i64::try_from(round_trip.as_micros()).unwrap_or(i64::MAX);
        let middle = ours.as_micros().saturating_sub(micros / 2);
        Self { ahead: theirs.as_micros().saturating_sub(middle), uncertainty: micros }
    }

    /// The offset that is nearest to the one so far, of those that the comparison allows.
    fn correct(self, offset: i64) -> i64 {
        let least = self.ahead.saturating_sub(self.uncertainty);
        offset.clamp(least, self.ahead.saturating_add(self.uncertainty))
    }
}

impl Clock for CorrectedClock {
    fn now(&self) -> Timestamp {
        let offset = self.offset.load(Ordering::Relaxed);
        Timestamp::from_micros(self.machine.now().as_micros().saturating_add(offset))
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        let offset = self.offset.load(Ordering::Relaxed);
        self.machine.sleep_until(Timestamp::from_micros(deadline.as_micros().saturating_sub(offset)))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.machine.sleep(duration)
    }
}

fn is_worth_a_warning(offset: i64) -> bool {
    u128::from(offset.unsigned_abs()) > WORTH_A_WARNING.as_micros()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::lifecycle::SystemClock;

    /// Asks a clock that is ahead of the machine's.
    async fn compare(clock: &CorrectedClock, ahead: i64) {
        let theirs = async {
            let now = SystemClock.now().as_micros() + ahead;
            Ok::<_, Infallible>(Some(Timestamp::from_micros(now)))
        };
        clock.compare(theirs).await.expect("it cannot fail");
    }

    fn lead(clock: &CorrectedClock) -> i64 {
        clock.now().as_micros() - SystemClock.now().as_micros()
    }

    #[tokio::test]
    async fn it_follows_the_other_clock_and_only_that_time() {
        const MINUTE: i64 = 60_000_000;
        let clock = CorrectedClock::new(Arc::new(SystemClock));
        assert!(lead(&clock).abs() < MINUTE / 2);
        for ahead in [MINUTE, -MINUTE] {
            compare(&clock, ahead).await;
            assert!((lead(&clock) - ahead).abs() < MINUTE / 2, "{}", lead(&clock));
        }
        assert!(clock.monotonic() <= SystemClock.monotonic());
        let deadline = clock.now() + Duration::from_millis(5);
        clock.sleep_until(deadline).await;
        assert!(clock.now() >= deadline);
    }

    #[tokio::test]
    async fn it_stays_as_it_is_when_nothing_is_known() {
        let clock = CorrectedClock::new(Arc::new(SystemClock));
        clock.compare(async { Ok::<_, Infallible>(None) }).await.expect("it cannot fail");
        clock.compare(async { Err("the database is away") }).await.expect_err("it is told");
        assert_eq!(clock.offset.load(Ordering::Relaxed), 0);
    }

    proptest! {
        #[test]
        fn it_ends_where_the_other_clock_can_be(ahead: i32, round_trip in 0..10_000_000_i64, before: i32) {
            let comparison = Comparison { ahead: ahead.into(), uncertainty: round_trip };
            let after = comparison.correct(before.into());
            prop_assert!((after - i64::from(ahead)).abs() <= round_trip);
        }

        #[test]
        fn it_never_steps_by_more_than_it_must(ahead: i32, round_trip in 0..10_000_000_i64, before: i32) {
            let (ahead, before) = (i64::from(ahead), i64::from(before));
            let step = (Comparison { ahead, uncertainty: round_trip }.correct(before) - before).abs();
            prop_assert_eq!(step, ((ahead - before).abs() - round_trip).max(0));
        }

        #[test]
        fn the_truth_is_within_the_uncertainty(ahead: i32, there in 0..5_000_000_u32, back in 0..5_000_000_u32) {
            let begun = Timestamp::from_micros(1_700_000_000_000_000);
            let read_at = begun + Duration::from_micros(there.into());
            let theirs = Timestamp::from_micros(read_at.as_micros() + i64::from(ahead));
            let round_trip = Duration::from_micros(u64::from(there) + u64::from(back));
            let comparison = Comparison::new(theirs, begun + round_trip, round_trip);
            prop_assert!((comparison.ahead - i64::from(ahead)).abs() <= comparison.uncertainty);
        }

        #[test]
        fn no_time_is_too_far(theirs: i64, ours: i64, round_trip: u64, before: i64) {
            let (theirs, ours) = (Timestamp::from_micros(theirs), Timestamp::from_micros(ours));
            Comparison::new(theirs, ours, Duration::from_micros(round_trip)).correct(before);
        }
    }
}
