//! Origins whose lanes stay in the store for now: too many of theirs wait here, or they are left alone.

use std::collections::HashSet;
use std::sync::Arc;

use cogwire_store::handoff::LaneInbox;

/// Tells the handoff and the claims the same.
#[derive(Debug, Default)]
pub(super) struct Gate {
    shut: HashSet<Arc<str>>,
    /// The same as a list, until something changes: it may be long.
    list: Option<Arc<[String]>>,
}

impl Gate {
    /// Opens or shuts it for an origin, and says whether that opened it.
    pub(super) fn set(&mut self, origin: &Arc<str>, shut: bool, inbox: &LaneInbox) -> bool {
        let changed = if shut { self.shut.insert(Arc::clone(origin)) } else { self.shut.remove(origin) };
        if changed {
            self.list = None;
            inbox.set_crowded(origin, shut);
        }
        changed && !shut
    }

    /// The origins for which it is shut.
    pub(super) fn shut(&mut self) -> Arc<[String]> {
        let list = || self.shut.iter().map(ToString::to_string).collect();
        Arc::clone(self.list.get_or_insert_with(list))
    }
}

#[cfg(test)]
mod tests {
    use cogwire_store::NodeLease;
    use cogwire_store::handoff;

    use super::*;

    #[test]
    fn what_is_shut_is_skipped_and_not_handed_over_until_it_is_opened() {
        let (handoff, inbox) = handoff::channel(8, Arc::new(NodeLease::endless()));
        let (mut gate, origin) = (Gate::default(), Arc::<str>::from("https://example.com"));
        assert!(gate.shut().is_empty());
        assert!(!gate.set(&origin, true, &inbox) && !gate.set(&origin, true, &inbox));
        assert_eq!(*gate.shut(), ["https://example.com".to_owned()]);
        assert!(
            handoff.try_reserve(&origin).is_none() && handoff.try_reserve("https://example.org").is_some()
        );
        assert!(gate.set(&origin, false, &inbox) && !gate.set(&origin, false, &inbox));
        assert!(gate.shut().is_empty() && handoff.try_reserve(&origin).is_some());
    }
}
