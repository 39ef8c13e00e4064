//! What a failed attempt leads to: another one, or none.
//!
//! Under `replicate` every failure is the same. Under the other schedules some statuses say more: the receiver is gone, or
//! asks for less.

use std::time::Duration;

use super::{Kind, Schedule};
use crate::time::Timestamp;

/// The longest time for which a receiver is left alone because it asked for it.
pub const MAX_EASE: Duration = Duration::from_secs(60);

const GONE: u16 = 410;
/// Too many requests, bad gateway, unavailable, gateway timeout.
const ASK_FOR_LESS: [u16; 4] = [429, 502, 503, 504];

/// An attempt that did not deliver its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// When the first attempt of the schedule began.
    pub first_attempt_at: Timestamp,
    /// Attempts of the schedule that have ended, this one included.
    pub tries: u32,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The receiver's wish, counted from the end of the attempt.
    pub retry_after: Option<Duration>,
}

/// What becomes of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It is tried again then.
    RetryAt(Timestamp),
    /// That was the last attempt.
    Over,
    /// The receiver says that it is gone for good.
    Gone,
}

impl Schedule {
    /// What becomes of a message after an attempt that failed. `fraction` is a random number from 0 to 1.
    pub fn after(&self, failed: &Failed, fraction: f64) -> After {
        if self.listens() && failed.status == Some(GONE) {
            return After::Gone;
        }
        let Failed { first_attempt_at, tries, ended_at, retry_after, .. } = *failed;
        let next = self.next_attempt_at(first_attempt_at, tries, ended_at, fraction, retry_after);
        next.map_or(After::Over, After::RetryAt)
    }

    /// For how long a receiver that answered so is to be left alone, which may be no time at all; `None` when it does not ask
    /// for fewer requests.
    pub fn ease(&self, status: Option<u16>, retry_after: Option<Duration>) -> Option<Duration> {
        let asks = self.listens() && status.is_some_and(|status| ASK_FOR_LESS.contains(&status));
        asks.then(|| retry_after.unwrap_or_default().min(MAX_EASE))
    }

    /// Whether statuses mean something to it.
    fn listens(&self) -> bool {
        self.kind != Kind::Replicate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_000_000_000_000);

    fn after(schedule: &str, status: Option<u16>, tries: u32, wish: Option<u64>) -> After {
        let schedule: Schedule = schedule.parse().expect("a schedule");
        let retry_after = wish.map(Duration::from_secs);
        let failed = Failed { first_attempt_at: START, tries, ended_at: START, status, retry_after };
        schedule.after(&failed, 0.0)
    }

    #[test]
    fn what_follows_depends_on_the_schedule_and_the_status() {
        let at = |seconds: u64| After::RetryAt(START + Duration::from_secs(seconds));
        let cases = [
            ("replicate", Some(410), 1, None, at(1)),
            ("replicate", Some(429), 6, Some(100), at(60)),
            ("replicate", Some(500), 7, None, After::Over),
            ("standard", Some(410), 1, None, After::Gone),
            ("standard", Some(410), 10, None, After::Gone),
            ("standard", Some(429), 2, Some(400), at(400)),
            ("standard", Some(500), 2, Some(400), at(400)),
            ("standard", Some(503), 2, Some(10_000), at(600)),
            ("standard", None, 2, None, at(300)),
            ("standard", None, 10, None, After::Over),
            ("10s,20s", Some(410), 1, None, After::Gone),
            ("10s,20s", Some(404), 2, None, at(20)),
            ("10s,20s", Some(404), 3, None, After::Over),
        ];
        for (schedule, status, tries, wish, expected) in cases {
            assert_eq!(after(schedule, status, tries, wish), expected, "{schedule} {status:?} {tries}");
        }
    }

    #[test]
    fn receivers_that_ask_for_less_are_left_alone_for_a_minute_at_most() {
        let ease = |schedule: &str, status, wish: Option<u64>| {
            let schedule: Schedule = schedule.parse().expect("a schedule");
            schedule.ease(Some(status), wish.map(Duration::from_secs)).map(|ease| ease.as_secs())
        };
        for status in ASK_FOR_LESS {
            assert_eq!(ease("standard", status, None), Some(0));
            assert_eq!(ease("5s", status, Some(7)), Some(7));
            assert_eq!(ease("standard", status, Some(3600)), Some(60));
            assert_eq!(ease("replicate", status, Some(7)), None);
        }
        for status in [200, 301, 400, 404, 410, 500, 501] {
            assert_eq!(ease("standard", status, Some(7)), None);
        }
        let silent = Schedule::standard().ease(None, Some(MAX_EASE));
        assert_eq!(silent, None, "without an answer nobody asks for anything");
    }
}
