//! When a failed delivery is tried again.
//!
//! A schedule is data: how long after the first attempt each further one is due. Nothing here waits, reads a clock or
//! draws a random number. What an answer means for the schedule is in [`Schedule::after`].

mod after;
mod text;

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
pub use after::{After, Failed, MAX_EASE};
pub use text::{InvalidSchedule, MAX_DELAY, MAX_DELAYS};

/// The largest part of the gap to the offset before by which an attempt is brought forward.
pub const MAX_JITTER: f64 = 0.2;

const REPLICATE: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(7),
    Duration::from_secs(15),
    Duration::from_secs(31),
    Duration::from_secs(60),
];

/// The sums of 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h: what the Standard Webhooks specification proposes.
const STANDARD: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(305),
    Duration::from_secs(2_105),
    Duration::from_secs(9_305),
    Duration::from_secs(27_305),
    Duration::from_secs(63_305),
    Duration::from_secs(113_705),
    Duration::from_secs(185_705),
    Duration::from_secs(272_105),
];

/// When to try again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule {
    kind: Kind,
    /// When each attempt after the first is due, counted from the first; rising.
    offsets: Cow<'static, [Duration]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Replicate,
    Standard,
    Delays,
}

impl Schedule {
    /// Six retries within a minute, as Replicate makes them: 1, 3, 7, 15, 31 and 60 s after the first attempt.
    pub const fn replicate() -> Self {
        Self { kind: Kind::Replicate, offsets: Cow::Borrowed(&REPLICATE) }
    }

    /// Nine retries within a bit more than three days.
    pub const fn standard() -> Self {
        Self { kind: Kind::Standard, offsets: Cow::Borrowed(&STANDARD) }
    }

    /// Attempts that follow each other by these delays.
    pub fn of_delays(delays: &[Duration]) -> Self {
        let sums = delays.iter().scan(Duration::ZERO, |sum, delay| {
            *sum = sum.saturating_add(*delay);
            Some(*sum)
        });
        Self { kind: Kind::Delays, offsets: sums.collect() }
    }

    /// The schedule's name, if it has one.
    pub fn name(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Replicate => Some("replicate"),
            Kind::Standard => Some("standard"),
            Kind::Delays => None,
        }
    }

    /// The time before each attempt after the first.
    pub fn delays(&self) -> impl Iterator<Item = Duration> {
        (0..self.offsets.len()).map(|retry| self.gap(retry))
    }

    /// How many attempts there are, the first one included.
    pub fn attempts(&self) -> usize {
        self.offsets.len() + 1
    }

    /// When the next attempt is due, given that `attempts_made` have ended, the last of them `now`. `None` when there is no
    /// further one.
    ///
    /// `fraction`, a random number from 0 to 1, brings the attempt forward by up to [`MAX_JITTER`], so that messages that
    /// failed together do not come back together. `retry_after` is the receiver's wish, counted from `now`; it never brings an
    /// attempt forward.
    pub fn next_attempt_at(
        &self,
        first_attempt_at: Timestamp,
        attempts_made: u32,
        now: Timestamp,
        fraction: f64,
        retry_after: Option<Duration>,
    ) -> Option<Timestamp> {
        let Some(retry) = usize::try_from(attempts_made).ok()?.checked_sub(1) else { return Some(now) };
        let jitter = self.jitter(retry, fraction)?;
        Some(match self.kind {
            Kind::Replicate => self.counted_from_the_first(first_attempt_at, retry, now, jitter, retry_after),
            Kind::Standard | Kind::Delays => self.counted_from_the_last(retry, now, jitter, retry_after),
        })
    }

    /// The plan counts from the first attempt, so that it ends when it says, however long attempts take. The wish may put an
    /// attempt off, at most to the offset of the attempt after it, so that no two fall together; the last one does not move.
    /// An attempt whose time has passed because the one before took long is due one first gap after `now`. When the whole
    /// schedule has passed because nothing was running here, the gaps are kept, so that an outage of ours costs no receiver
    /// its time.
    fn counted_from_the_first(
        &self,
        first: Timestamp,
        retry: usize,
        now: Timestamp,
        jitter: Duration,
        wish: Option<Duration>,
    ) -> Timestamp {
        // A first attempt that lies ahead was made before the clock was set back.
        let first = first.min(now);
        let planned = first + (self.offsets[retry] - jitter);
        let latest = first + self.offsets.get(retry + 1).copied().unwrap_or(self.offsets[retry]);
        let wished = wish.map_or(planned, |wish| (now + wish).min(latest));
        let due = planned.max(wished);
        if due < now { now + self.late_gap(retry, now.since(first)) } else { due }
    }

    /// The plan counts from the attempt before, so that the receiver always has its gap. The wish may make it twice as long.
    fn counted_from_the_last(
        &self,
        retry: usize,
        now: Timestamp,
        jitter: Duration,
        wish: Option<Duration>,
    ) -> Timestamp {
        let gap = self.gap(retry);
        let planned = gap - jitter;
        now + wish.map_or(planned, |wish| wish.clamp(planned, gap * 2))
    }

    /// The gap before an attempt whose time has passed, `age` after the first attempt.
    fn late_gap(&self, retry: usize, age: Duration) -> Duration {
        let end = self.offsets[self.offsets.len() - 1];
        if age > 2 * end { self.gap(retry) } else { self.offsets[0] }
    }

    fn gap(&self, retry: usize) -> Duration {
        let before = retry.checked_sub(1).map_or(Duration::ZERO, |before| self.offsets[before]);
        self.offsets[retry].saturating_sub(before)
    }

    /// By how much the attempt is brought forward; `None` when the schedule does not have it.
    fn jitter(&self, retry: usize, fraction: f64) -> Option<Duration> {
        self.offsets.get(retry)?;
        // A duration times NaN is a panic.
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        Some(self.gap(retry).mul_f64(MAX_JITTER * fraction))
    }
}

/// Reads a `Retry-After` header, a number of seconds or an HTTP date, as a delay from `now`. Anything else is ignored.
pub fn parse_retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if header.bytes().all(|byte| byte.is_ascii_digit()) {
        return header.parse().ok().map(Duration::from_secs);
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
    Some(Timestamp::from_micros(date.as_microsecond()).since(now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_micros(784_111_777_000_000); // Sun, 06 Nov 1994 08:49:37 GMT

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// The delay from the first attempt, in seconds, when the last attempt ended `now` seconds after the first began.
    fn next(attempts_made: u32, now: f64, fraction: f64, retry_after: Option<u64>) -> Option<f64> {
        let wish = retry_after.map(Duration::from_secs);
        let at =
            Schedule::replicate().next_attempt_at(START, attempts_made, START + seconds(now), fraction, wish);
        at.map(|at| at.since(START).as_secs_f64())
    }

    #[test]
    fn attempts_follow_the_offsets() {
        let offsets = [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 60.0];
        for (made, offset) in (0..).zip(offsets) {
            let now = if made == 0 { 0.0 } else { offsets[made as usize - 1] };
            assert_eq!(next(made, now, 0.0, None), Some(offset), "after {made} attempts");
        }
        assert_eq!(next(7, 60.0, 0.0, None), None);
        assert_eq!(next(u32::MAX, 0.0, 0.0, Some(1)), None);
        assert_eq!(Schedule::replicate().attempts(), 7);
    }

    #[test]
    fn jitter_brings_attempts_forward_by_a_part_of_the_gap() {
        assert_eq!(next(1, 0.0, 1.0, None), Some(0.8));
        assert_eq!(next(2, 1.0, 1.0, None), Some(2.6));
        assert_eq!(next(6, 31.0, 0.5, None), Some(57.1));
        assert_eq!(next(2, 1.0, f64::NAN, None), Some(3.0));
    }

    #[test]
    fn a_wish_delays_but_not_into_the_next_attempt_and_not_the_last() {
        assert_eq!(next(1, 0.0, 0.0, Some(2)), Some(2.0));
        assert_eq!(next(1, 0.0, 0.0, Some(0)), Some(1.0));
        assert_eq!(next(1, 0.0, 0.0, Some(3600)), Some(3.0));
        assert_eq!(next(5, 16.0, 0.0, Some(20)), Some(36.0));
        assert_eq!(next(6, 36.0, 0.0, Some(u64::MAX)), Some(60.0));
    }

    #[test]
    fn late_attempts_keep_a_gap() {
        assert_eq!(next(1, 10.0, 0.0, None), Some(11.0));
        assert_eq!(next(4, 50.0, 0.0, None), Some(51.0));
    }

    #[test]
    fn after_an_outage_of_ours_the_gaps_begin_anew() {
        assert_eq!(next(2, 300.0, 0.0, Some(3600)), Some(302.0));
        assert_eq!(next(6, 300.0, 0.0, None), Some(329.0));
    }

    #[test]
    fn a_clock_that_is_set_back_puts_nothing_off() {
        let at = |schedule: Schedule, made| {
            let now = START - seconds(86_400.0);
            let at = schedule.next_attempt_at(START, made, now, 0.0, None);
            at.map(|at| at.since(now).as_secs_f64())
        };
        assert_eq!(at(Schedule::replicate(), 1), Some(1.0));
        assert_eq!(at(Schedule::replicate(), 6), Some(60.0));
        assert_eq!(at(Schedule::standard(), 1), Some(5.0));
    }

    #[test]
    fn other_schedules_count_from_the_attempt_before() {
        let standard = |made: u32, fraction: f64, wish: Option<u64>| {
            let (now, wish) = (START + seconds(9000.0), wish.map(Duration::from_secs));
            let at = Schedule::standard().next_attempt_at(START, made, now, fraction, wish);
            at.map(|at| at.since(now).as_secs_f64())
        };
        assert_eq!(standard(1, 0.0, None), Some(5.0));
        assert_eq!(standard(2, 1.0, None), Some(240.0));
        assert_eq!(standard(3, 0.0, Some(10)), Some(1800.0));
        assert_eq!(standard(3, 0.0, Some(2000)), Some(2000.0));
        assert_eq!(standard(3, 1.0, Some(u64::MAX)), Some(3600.0));
        assert_eq!(standard(9, 0.0, Some(100_000)), Some(100_000.0));
        assert_eq!(standard(10, 0.0, None), None);
    }

    #[test]
    fn retry_after_is_read() {
        let cases = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("99999999999999999999999", None),
            ("Sun, 99 Nov 1994 08:51:37 GMT", None),
        ];
        for (header, expected) in cases {
            assert_eq!(parse_retry_after(header, START), expected.map(Duration::from_secs), "for {header:?}");
        }
    }

    proptest! {
        #[test]
        fn attempts_keep_their_bounds(
            made in 1u32..9,
            late in 0.0..400.0f64,
            fraction in 0.0..1.0f64,
            wish in prop::option::of(0u64..5000),
        ) {
            let Some(due) = next(made, late, fraction, wish) else {
                prop_assert!(made >= 7);
                return Ok(());
            };
            prop_assert!(due >= late - 1e-6);
            let longest_gap = if late > 120.0 { 29.0 } else { 1.0 };
            prop_assert!(due <= (late + longest_gap).max(60.0) + 1e-6);
            let offset = REPLICATE[made as usize - 1].as_secs_f64();
            let before = if made == 1 { 0.0 } else { REPLICATE[made as usize - 2].as_secs_f64() };
            prop_assert!(due >= offset - MAX_JITTER * (offset - before) - 1e-6);
        }

        #[test]
        fn a_list_keeps_its_gaps_and_a_wish_at_most_doubles_them(
            delays in prop::collection::vec(1u64..100_000, 1..9),
            made in 1usize..10,
            fraction in 0.0..1.0f64,
            wish in prop::option::of(any::<u64>()),
        ) {
            let gaps: Vec<Duration> = delays.iter().copied().map(Duration::from_millis).collect();
            let tries = u32::try_from(made).expect("small");
            let wish = wish.map(Duration::from_secs);
            let due = Schedule::of_delays(&gaps).next_attempt_at(START, tries, START, fraction, wish);
            prop_assert_eq!(due.is_some(), made <= gaps.len());
            if let Some(due) = due {
                let (waits, gap) = (due.since(START), gaps[made - 1]);
                let slack = Duration::from_micros(1);
                prop_assert!(waits + slack >= gap.mul_f64(1.0 - MAX_JITTER) && waits <= gap * 2);
                prop_assert!(wish.is_some() || waits <= gap);
            }
        }

        #[test]
        fn rubbish_is_survived(header in any::<String>()) {
            let _ = parse_retry_after(&header, START);
        }
    }
}
