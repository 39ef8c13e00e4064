//! This node's own lease, as the node itself knows it.
//!
//! The store says who holds what; a node that was paused does not hear of it. So whoever acts outside of the store, such as
//! the sender of webhooks, asks here first. The answer errs on one side: the lease may last longer in the store than it does
//! here, never the other way round. Times are of a clock that does not step ([`Clock::monotonic`](cogwire_core::time::Clock)).

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

/// One membership of a node: it lasts until the node is given up by the others, and the next one is another term. What was
/// claimed in an earlier term is not the node's any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term(u64);

impl Term {
    fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a lease allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It lasts as long as was asked.
    Holds,
    /// It is about to end, or has ended without anybody having noticed: it may be extended yet.
    Ending,
    /// The term is over.
    Over,
}

/// The lease of this node. Written by whoever renews it in the store.
#[derive(Debug)]
pub struct NodeLease(RwLock<State>);

#[derive(Debug, Clone, Copy)]
struct State {
    term: Term,
    until: Duration,
    /// Whether the term was begun and has not been extended yet.
    is_unconfirmed: bool,
}

impl NodeLease {
    /// A lease that nobody can take: that of a store which only one process can use.
    pub fn endless() -> Self {
        Self::until(Duration::MAX)
    }

    /// A lease that has to be extended before it allows anything.
    pub fn ended() -> Self {
        Self::until(Duration::ZERO)
    }

    fn until(until: Duration) -> Self {
        Self(RwLock::new(State { term: Term(1), until, is_unconfirmed: false }))
    }

    /// The store has extended the lease: in the current term it lasts until then. It never becomes shorter.
    ///
    /// When the node had been given up, a further term begins: what it claimed while the store did not know it was free for
    /// the others, who may have it.
    pub fn extend(&self, until: Duration) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.is_unconfirmed {
            state.term = state.term.next();
            state.is_unconfirmed = false;
        }
        state.until = state.until.max(until);
    }

    /// The others have given this node up: a new term begins, whose lease has to be extended first.
    pub fn begin_term(&self) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *state = State { term: state.term.next(), until: Duration::ZERO, is_unconfirmed: true };
    }

    /// The current term.
    pub fn term(&self) -> Term {
        self.state().term
    }

    /// Whether something that was claimed in `term` may be acted on until `until`.
    pub fn standing(&self, term: Term, until: Duration) -> Standing {
        let state = *self.state();
        match state.term == term {
            false => Standing::Over,
            true if state.until >= until => Standing::Holds,
            true => Standing::Ending,
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_lease_allows_what_ends_before_it_does() {
        let lease = NodeLease::ended();
        let term = lease.term();
        assert_eq!(lease.standing(term, SECOND), Standing::Ending);
        lease.extend(10 * SECOND);
        assert_eq!(lease.standing(term, 10 * SECOND), Standing::Holds);
        assert_eq!(lease.standing(term, 11 * SECOND), Standing::Ending);
    }

    #[test]
    fn an_answer_that_comes_late_does_not_shorten_a_lease() {
        let lease = NodeLease::ended();
        lease.extend(10 * SECOND);
        lease.extend(5 * SECOND);
        assert_eq!(lease.standing(lease.term(), 10 * SECOND), Standing::Holds);
    }

    #[test]
    fn a_new_term_ends_what_the_old_one_allowed() {
        let lease = NodeLease::ended();
        let old = lease.term();
        lease.extend(10 * SECOND);
        lease.begin_term();
        assert_eq!(lease.standing(old, SECOND), Standing::Over);
        assert_eq!(lease.standing(lease.term(), SECOND), Standing::Ending);
        lease.extend(20 * SECOND);
        assert_eq!(lease.standing(old, SECOND), Standing::Over);
        assert_eq!(lease.standing(lease.term(), SECOND), Standing::Holds);
    }

    #[test]
    fn what_was_claimed_before_the_store_knew_the_node_again_is_not_its_own() {
        let lease = NodeLease::ended();
        lease.extend(10 * SECOND);
        lease.begin_term();
        let unknown = lease.term();
        lease.extend(20 * SECOND);
        assert_eq!(lease.standing(unknown, SECOND), Standing::Over);
        let known = lease.term();
        lease.extend(30 * SECOND);
        assert_eq!(lease.standing(known, 30 * SECOND), Standing::Holds);
    }

    #[test]
    fn an_endless_lease_allows_everything() {
        let lease = NodeLease::endless();
        assert_eq!(lease.standing(lease.term(), Duration::MAX), Standing::Holds);
    }
}
