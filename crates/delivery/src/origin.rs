//! One origin: how many requests it may have at once, and how many lanes may wait for it in memory. Pure.

use std::collections::VecDeque;

use cogwire_core::time::Timestamp;

use crate::health::{Health, PROMPT};

/// The limit of an origin that nothing is known about.
const INITIAL: usize = 16;
/// How many lanes may wait in memory for each request that the origin may have at once.
const WAITING_PER_REQUEST: usize = 8;

/// What waits for an origin, and what is on its way to it.
#[derive(Debug)]
pub(crate) struct Origin<T> {
    limit: usize,
    max_limit: usize,
    in_flight: usize,
    /// Since when the requests that are under way have gone without an answer to any of them.
    silent_since: Timestamp,
    waiting: VecDeque<T>,
    crowded: bool,
    /// Whether its last answer came at once. One that is new, hangs or takes its time is doubtful.
    is_steady: bool,
    /// Whether its turn is queued. A stall may make the turn stale, but never adds a second one.
    pub(crate) has_turn: bool,
}

/// Requests that are under way, and lanes that wait for one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) in_flight: usize,
    pub(crate) waiting: usize,
}

impl Load {
    pub(crate) fn with(self, other: Self) -> Self {
        Self { in_flight: self.in_flight + other.in_flight, waiting: self.waiting + other.waiting }
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self { in_flight: self.in_flight - other.in_flight, waiting: self.waiting - other.waiting }
    }
}

impl<T> Origin<T> {
    /// `max_limit` is the most requests at once, however well the origin answers; `is_steady` is what is known from before.
    pub(crate) fn new(max_limit: usize, is_steady: bool) -> Self {
        let limit = INITIAL.min(max_limit);
        Self {
            limit,
            max_limit,
            in_flight: 0,
            silent_since: Timestamp::from_micros(0),
            waiting: VecDeque::new(),
            crowded: false,
            is_steady,
            has_turn: false,
        }
    }

    /// Lets an item wait; it comes back when too many wait already.
    pub(crate) fn push(&mut self, item: T) -> Result<(), T> {
        if self.waiting.len() >= self.limit * WAITING_PER_REQUEST {
            return Err(item);
        }
        self.waiting.push_back(item);
        Ok(())
    }

    /// Lets an item wait that comes before all others, and always fits.
    pub(crate) fn push_first(&mut self, item: T) {
        self.waiting.push_front(item);
    }

    /// Whether something waits that may begin.
    pub(crate) fn may_begin(&self) -> bool {
        !self.waiting.is_empty() && self.in_flight < self.limit
    }

    /// Begins a request; [`Origin::ended`] must follow.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<T> {
        let item = self.waiting.pop_front()?;
        if self.in_flight == 0 {
            self.silent_since = now;
        }
        self.in_flight += 1;
        Some(item)
    }

    /// A request is over. An answer raises the limit by one; a stall halves it, so that an origin which hangs soon holds up one
    /// request only, and one that recovers is soon itself again. So does an answer that asks for less.
    pub(crate) fn ended(&mut self, health: Health, now: Timestamp) {
        self.in_flight -= 1;
        if health.is_answer() {
            self.silent_since = now;
        }
        self.limit = match health {
            Health::Answers | Health::Lags => (self.limit + 1).min(self.max_limit),
            Health::Stalls | Health::Slows(_) => (self.limit / 2).max(1),
            Health::Unknown => self.limit,
        };
        self.is_steady = match health {
            Health::Answers => true,
            Health::Lags | Health::Stalls => false,
            Health::Slows(_) | Health::Unknown => self.is_steady,
        };
    }

    /// Whether it holds requests up by now, although it answered at once before.
    pub(crate) fn falls_silent(&self, now: Timestamp) -> bool {
        self.is_steady && self.in_flight > 0 && now.since(self.silent_since) > PROMPT
    }

    /// Trusts it no longer, until it answers.
    pub(crate) fn doubt(&mut self) {
        self.is_steady = false;
    }

    /// Whether it may be trusted not to hold requests up.
    pub(crate) fn is_steady(&self) -> bool {
        self.is_steady
    }

    /// What of it is doubtful.
    pub(crate) fn doubtful(&self) -> Load {
        if self.is_steady {
            return Load::default();
        }
        Load { in_flight: self.in_flight, waiting: self.waiting.len() }
    }

    /// Whether more should stay in the store, as it was last told.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Takes out everything that waits.
    pub(crate) fn drain(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether nothing of it is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.waiting.is_empty()
    }

    /// Whether its limit is no lower than a new origin's.
    pub(crate) fn is_well(&self) -> bool {
        self.limit >= INITIAL.min(self.max_limit)
    }

    /// Whether more should stay in the store for now, if that has changed: from half of what may wait, until a quarter.
    pub(crate) fn crowding_change(&mut self) -> Option<bool> {
        let room = self.limit * WAITING_PER_REQUEST;
        let threshold = if self.crowded { room / 4 } else { room / 2 };
        let crowded = self.waiting.len() > threshold;
        let changed = crowded != self.crowded;
        self.crowded = crowded;
        changed.then_some(crowded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);

    fn begin_all(origin: &mut Origin<u32>) -> usize {
        std::iter::from_fn(|| if origin.may_begin() { origin.begin(NOW) } else { None }).count()
    }

    fn fill(origin: &mut Origin<u32>) -> usize {
        (0..).take_while(|item| origin.push(*item).is_ok()).count()
    }

    #[test]
    fn one_that_answers_gets_more_and_one_that_stalls_gets_less() {
        let mut origin = Origin::new(64, false);
        fill(&mut origin);
        assert_eq!(begin_all(&mut origin), 16);
        (0..16).for_each(|_| origin.ended(Health::Answers, NOW));
        assert_eq!(begin_all(&mut origin), 32);
        (0..32).for_each(|_| origin.ended(Health::Stalls, NOW));
        assert_eq!(begin_all(&mut origin), 1);
        assert!(!origin.is_well());
        origin.ended(Health::Answers, NOW);
        assert_eq!(begin_all(&mut origin), 2);
    }

    #[test]
    fn one_that_does_not_answer_at_once_is_doubtful() {
        let mut origin = Origin::new(64, false);
        let mut steady_after = |health| {
            fill(&mut origin);
            origin.begin(NOW);
            origin.ended(health, NOW);
            origin.is_steady()
        };
        let ease = Health::Slows(std::time::Duration::ZERO);
        let course = [Health::Unknown, Health::Answers, Health::Unknown, ease, Health::Lags, ease];
        assert_eq!(course.map(&mut steady_after), [false, true, true, true, false, false]);
        assert_eq!([Health::Answers, Health::Stalls].map(&mut steady_after), [true, false]);
        assert_eq!(origin.doubtful().waiting, origin.waiting.len());
    }

    #[test]
    fn one_that_falls_silent_is_noticed_before_its_requests_end() {
        let mut origin = Origin::new(64, true);
        let later = NOW + PROMPT + PROMPT / 2;
        assert!(!origin.falls_silent(later), "nobody waits for it");
        fill(&mut origin);
        origin.begin(NOW);
        assert!(!origin.falls_silent(NOW + PROMPT) && origin.falls_silent(later));
        origin.begin(later);
        origin.ended(Health::Answers, later);
        assert!(!origin.falls_silent(later + PROMPT) && origin.falls_silent(later + PROMPT * 2));
        origin.doubt();
        assert!(!origin.is_steady() && !origin.falls_silent(later + PROMPT * 2));
    }

    #[test]
    fn what_may_wait_follows_the_limit() {
        let mut origin = Origin::new(64, false);
        assert_eq!(fill(&mut origin), 128);
        origin.begin(NOW);
        (0..5).for_each(|_| {
            origin.ended(Health::Stalls, NOW);
            origin.in_flight += 1;
        });
        origin.drain();
        assert_eq!(fill(&mut origin), 8);
        origin.push_first(100);
        assert_eq!(origin.begin(NOW), Some(100));
    }

    #[test]
    fn crowding_is_told_once_and_ends_well_below_where_it_began() {
        let mut origin = Origin::new(64, false);
        let mut changes = Vec::new();
        for item in 0..100 {
            origin.push(item).expect("room");
            changes.extend(origin.crowding_change().map(|crowded| (crowded, origin.waiting.len())));
        }
        while origin.begin(NOW).is_some() {
            changes.extend(origin.crowding_change().map(|crowded| (crowded, origin.waiting.len())));
        }
        assert_eq!(changes, [(true, 65), (false, 32)]);
    }
}
