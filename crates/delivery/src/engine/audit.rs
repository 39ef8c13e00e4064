//! Finds lanes that the store takes this node to hold, and that are not in its memory.
//!
//! That happens when an answer is lost on its way: the store has claimed the lane, and nobody here knows. Such a lane would
//! wait until the node is gone. One that is seen astray twice under the same fence is astray: what was merely on its way
//! between store and memory is seen once at most.

use std::collections::HashSet;
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::time::Timestamp;

/// A lane and the fence of its hold.
type Hold = (PredictionId, u64);

/// Remembers when to look, and what was astray at the last look.
pub(super) struct Audit {
    every: Duration,
    next: Timestamp,
    suspects: HashSet<Hold>,
}

impl Audit {
    /// The first look comes after `every`.
    pub(super) fn new(every: Duration, now: Timestamp) -> Self {
        Self { every, next: now + every, suspects: HashSet::new() }
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

    /// The lanes among `held` that are astray for the second time.
    pub(super) fn astray(&mut self, held: Vec<Hold>, in_memory: impl Fn(PredictionId) -> bool) -> Vec<Hold> {
        let missing: HashSet<Hold> = held.into_iter().filter(|(id, _)| !in_memory(*id)).collect();
        let astray = missing.intersection(&self.suspects).copied().collect();
        self.suspects = missing;
        astray
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
    fn looks_come_at_intervals() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut audit = Audit::new(Duration::from_secs(10), at(100));
        assert!(!audit.is_due(at(105)));
        assert!(audit.is_due(at(110)) && !audit.is_due(at(111)));
        assert!(audit.is_due(at(50)), "the clock was set back");
    }
}
