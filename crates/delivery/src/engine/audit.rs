//! Finds lanes that the store takes this node to hold, and that are not in its memory.
//!
//! That happens when an answer is lost on its way: the store has claimed the lane, and nobody here knows. Such a lane would
//! wait until the node is gone. One that is seen astray twice under the same fence is astray: what was merely on its way
//! between store and memory is nearly always seen once at most. Should it arrive after all, it is not taken in: it may be
//! somebody else's by then.

use std::collections::HashSet;
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::time::Timestamp;

/// A lane and the fence of its hold.
type Hold = (PredictionId, u64);

/// The most holds that are remembered as given back. Most of them never arrive.
const MAX_DISOWNED: usize = 10_000;

/// Remembers when to look, what was astray at the last look, and what was given back for it.
pub(super) struct Audit {
    every: Duration,
    next: Timestamp,
    suspects: HashSet<Hold>,
    disowned: HashSet<Hold>,
}

impl Audit {
    /// The first look comes after `every`.
    pub(super) fn new(every: Duration, now: Timestamp) -> Self {
        Self { every, next: now + every, suspects: HashSet::new(), disowned: HashSet::new() }
    }

    /// Whether to look now; asking plans the next look.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        // A look that is planned further away than it can be was planned before the clock was set back.
        let due = self.next <= now || self.next > now + self.every;
        if due {
            self.next = now + self.every;
        }
        due
    }

    /// The lanes among `held` that are astray for the second time, and have to be given back.
    pub(super) fn astray(&mut self, held: Vec<Hold>, in_memory: impl Fn(PredictionId) -> bool) -> Vec<Hold> {
        let missing: HashSet<Hold> = held.into_iter().filter(|(id, _)| !in_memory(*id)).collect();
        let astray: Vec<Hold> = missing.intersection(&self.suspects).copied().collect();
        self.suspects = missing;
        self.disown(&astray);
        astray
    }

    /// Whether the hold was given back; asking forgets it, because a hold arrives once.
    pub(super) fn has_disowned(&mut self, hold: Hold) -> bool {
        self.disowned.remove(&hold)
    }

    fn disown(&mut self, astray: &[Hold]) {
        if self.disowned.len() + astray.len() > MAX_DISOWNED {
            self.disowned.clear();
        }
        self.disowned.extend(astray);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(number: u128, lease_no: u64) -> Hold {
        (PredictionId::new(Timestamp::from_micros(1), number), lease_no)
    }

    #[test]
    fn a_lane_is_astray_when_it_is_missing_twice_under_one_fence() {
        let mut audit = Audit::new(Duration::from_secs(1), Timestamp::from_micros(0));
        let known = lane(9, 1);
        let look = |audit: &mut Audit, held: &[Hold]| audit.astray(held.to_vec(), |id| id == known.0);
        assert!(look(&mut audit, &[known, lane(1, 1), lane(2, 1)]).is_empty());
        assert_eq!(look(&mut audit, &[known, lane(1, 1), lane(2, 2), lane(3, 1)]), [lane(1, 1)]);
        assert!(look(&mut audit, &[known]).is_empty());
        assert!(look(&mut audit, &[lane(2, 2)]).is_empty(), "it was there in between");
    }

    #[test]
    fn a_hold_that_was_given_back_is_known_until_it_arrives() {
        let mut audit = Audit::new(Duration::from_secs(1), Timestamp::from_micros(0));
        for expected in [vec![], vec![lane(1, 1)]] {
            assert_eq!(audit.astray(vec![lane(1, 1)], |_| false), expected);
        }
        assert!(!audit.has_disowned(lane(1, 2)), "it was claimed again");
        assert!(audit.has_disowned(lane(1, 1)) && !audit.has_disowned(lane(1, 1)));
    }

    #[test]
    fn looks_come_at_intervals() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut audit = Audit::new(Duration::from_secs(10), at(100));
        assert!(!audit.is_due(at(105)));
        assert!(audit.is_due(at(110)) && !audit.is_due(at(111)));
        assert!(audit.is_due(at(50)), "the clock was set back");
    }
}
