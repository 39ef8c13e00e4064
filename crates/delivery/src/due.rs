//! When to ask the store for due lanes. Pure.

use std::time::Duration;

use cogwire_core::time::Timestamp;

/// Remembers the earliest known due time. A lost signal costs no more than one poll interval.
#[derive(Debug)]
pub(crate) struct Due {
    poll_interval: Duration,
    at: Timestamp,
    last_asked: Timestamp,
}

impl Due {
    /// Due at once: what an earlier process left behind is not announced.
    pub(crate) fn new(poll_interval: Duration, now: Timestamp) -> Self {
        Self { poll_interval, at: now, last_asked: now - poll_interval }
    }

    /// A lane is due then.
    pub(crate) fn announce(&mut self, at: Timestamp) {
        self.at = self.at.min(at);
    }

    /// Whether to ask now. Nothing is ever planned further away than a poll interval, so what seems so was planned before the
    /// clock was set back.
    pub(crate) fn is_now(&self, crowded: bool, now: Timestamp) -> bool {
        let at = self.at(crowded);
        at <= now || at > now + self.poll_interval
    }

    /// When to ask. `crowded` says that much of what is due could not be taken; then the store is not asked more often than
    /// the poll interval says, because it would offer the same again.
    pub(crate) fn at(&self, crowded: bool) -> Timestamp {
        if crowded { self.at.max(self.last_asked + self.poll_interval) } else { self.at }
    }

    /// The store is being asked.
    pub(crate) fn asked(&mut self, now: Timestamp) {
        self.at = now + self.poll_interval;
        self.last_asked = now;
    }

    /// The store is being asked for the rest. What was announced in the meantime may be due where it was asked already.
    pub(crate) fn asked_on(&mut self, now: Timestamp) {
        self.last_asked = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_delays_nothing() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut due = Due::new(Duration::from_secs(10), at(0));
        due.asked(at(4000));
        assert!(!due.is_now(false, at(4005)));
        assert!(due.is_now(false, at(400)) && due.is_now(true, at(400)));
    }

    #[test]
    fn the_earliest_announcement_counts_and_the_poll_is_the_last_resort() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut due = Due::new(Duration::from_secs(10), at(0));
        assert_eq!((due.at(false), due.at(true)), (at(0), at(0)));
        due.asked(at(1));
        assert_eq!(due.at(false), at(11));
        due.announce(at(7));
        due.announce(at(9));
        assert_eq!((due.at(false), due.at(true)), (at(7), at(11)));
    }
}
