//! When to ask the store for due lanes.

use std::time::Duration;

use cogwire_core::time::Timestamp;

/// Remembers the earliest known due time. A lost signal costs no more than one poll interval.
#[derive(Debug)]
pub(crate) struct Due {
    poll_interval: Duration,
    at: Timestamp,
    not_before: Timestamp,
}

impl Due {
    /// Due at once: what an earlier process left behind is not announced.
    pub(crate) fn new(poll_interval: Duration, now: Timestamp) -> Self {
        Self { poll_interval, at: now, not_before: now }
    }

    /// A lane is due then.
    pub(crate) fn announce(&mut self, at: Timestamp) {
        self.at = self.at.min(at);
    }

    /// When to ask.
    pub(crate) fn at(&self) -> Timestamp {
        self.at.max(self.not_before)
    }

    /// The store is being asked.
    pub(crate) fn asked(&mut self, now: Timestamp) {
        self.at = now + self.poll_interval;
    }

    /// What the store has cannot be taken now; asking again at once would find the same.
    pub(crate) fn pause(&mut self, now: Timestamp) {
        self.not_before = now + self.poll_interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_announcement_counts_and_the_poll_is_the_last_resort() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut due = Due::new(Duration::from_secs(10), at(0));
        assert_eq!(due.at(), at(0));
        due.asked(at(1));
        assert_eq!(due.at(), at(11));
        due.announce(at(7));
        due.announce(at(9));
        assert_eq!(due.at(), at(7));
        due.pause(at(5));
        assert_eq!(due.at(), at(15));
    }
}
