//! Who may run: the node's own bound, the places that each version has, and who came first.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cogwire_core::id::VersionId;
use cogwire_core::prediction::Request;
use cogwire_store::prediction::{Claimed, Wanted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Shared;

/// The right to run one prediction; whoever is next has it when this is dropped.
pub(crate) struct Slot {
    _of_node: OwnedSemaphorePermit,
    /// Of a version whose instances are counted.
    of_version: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// Frees the instance for somebody else; what is left to do counts for the node's bound only. `false` when there is none.
    pub(crate) fn leave_instance(&mut self) -> bool {
        self.of_version.take().is_some()
    }
}

/// What may be waiting in the store. A slot that becomes free is not worth a look there when nothing is, and would be missing
/// for as long as the look takes to whoever creates something meanwhile.
#[derive(Debug)]
pub(crate) struct Backlog(Mutex<Expected>);

#[derive(Debug)]
struct Expected {
    /// Something of any version.
    anything: bool,
    /// Of versions whose instances are counted: what is created for them waits behind, although a slot be free.
    versions: HashSet<VersionId>,
}

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// Whatever this node runs.
    Anything,
    /// These versions.
    Versions(HashSet<VersionId>),
}

/// What an earlier process left is announced by nobody.
impl Default for Backlog {
    fn default() -> Self {
        Self(Mutex::new(Expected { anything: true, versions: HashSet::new() }))
    }
}

impl Backlog {
    /// Predictions of this version may be waiting.
    pub(crate) fn expect(&self, version: &VersionId) {
        self.lock().versions.insert(version.clone());
    }

    /// Predictions of any version may be waiting.
    pub(crate) fn expect_anything(&self) {
        self.lock().anything = true;
    }

    /// What to look for, if anything. What is announced from now on is for the next look.
    pub(crate) fn look(&self) -> Option<Look> {
        let mut expected = self.lock();
        if std::mem::take(&mut expected.anything) {
            return Some(Look::Anything);
        }
        (!expected.versions.is_empty()).then(|| Look::Versions(expected.versions.clone()))
    }

    /// The look did not see all that there may be.
    pub(crate) fn look_again(&self, look: &Look) {
        if *look == Look::Anything {
            self.expect_anything();
        }
    }

    fn expects(&self, version: &VersionId) -> bool {
        self.lock().versions.contains(version)
    }

    fn lock(&self) -> MutexGuard<'_, Expected> {
        // It is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Look {
    fn is_for(&self, version: &VersionId) -> bool {
        match self {
            Self::Anything => true,
            Self::Versions(versions) => versions.contains(version),
        }
    }
}

impl Shared {
    /// A slot for a version that this node can run, when one is free and nobody came before: then create and claim are one
    /// commit.
    pub(crate) fn reserve_slot(&self, request: &Request) -> Option<Slot> {
        let version = &request.version;
        if !self.config.runs || !self.runner.serves(version) {
            return None;
        }
        let capacity = self.runner.capacity(version);
        let slot = self.try_slot(version, capacity.as_ref());
        if slot.is_none() && capacity.is_some() {
            self.backlog.expect(version);
        }
        slot
    }

    fn try_slot(&self, version: &VersionId, capacity: Option<&Arc<Semaphore>>) -> Option<Slot> {
        let of_version = match capacity {
            Some(_) if self.backlog.expects(version) => return None,
            Some(capacity) => Some(capacity.clone().try_acquire_owned().ok()?),
            None => None,
        };
        Some(Slot { _of_node: self.slots.clone().try_acquire_owned().ok()?, of_version })
    }
}

/// Places for what is about to be claimed.
pub(crate) struct Places {
    of_node: OwnedSemaphorePermit,
    of_versions: HashMap<VersionId, OwnedSemaphorePermit>,
    wanted: Vec<Wanted>,
}

impl Places {
    /// Takes what is free, `most` places at most; `None` when there is nothing to claim for.
    pub(crate) fn take(shared: &Shared, look: &Look, most: usize) -> Option<Self> {
        let free = shared.slots.available_permits().min(most);
        let of_node = shared.slots.clone().try_acquire_many_owned(free as u32).ok().filter(|_| free > 0)?;
        let mut places = Self { of_node, of_versions: HashMap::new(), wanted: Vec::new() };
        for version in shared.runner.versions().into_iter().filter(|version| look.is_for(version)) {
            places.add(version, shared, free);
        }
        places.leave_out_what_is_not_needed();
        (!places.wanted.is_empty()).then_some(places)
    }

    /// How many may be claimed of each version.
    pub(crate) fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// How many may be claimed in all.
    pub(crate) fn count(&self) -> u32 {
        self.of_node.num_permits() as u32
    }

    /// The slots for what was claimed. What is left is free again, and versions of which nothing is left to claim have no
    /// backlog.
    pub(crate) fn give(mut self, claimed: Vec<Claimed>, backlog: &Backlog) -> Vec<(Claimed, Slot)> {
        self.settle(&claimed, backlog);
        claimed
            .into_iter()
            .map(|claimed| {
                let of_version = self.of_versions.get_mut(&claimed.prediction.request.version);
                let of_version = of_version.map(|permits| permits.split(1).expect(ENOUGH));
                let slot = Slot { _of_node: self.of_node.split(1).expect(ENOUGH), of_version };
                (claimed, slot)
            })
            .collect()
    }

    /// A version without a free place is looked for when it has one.
    fn add(&mut self, version: VersionId, shared: &Shared, free: usize) {
        let mut limit = free;
        if let Some(capacity) = shared.runner.capacity(&version) {
            limit = capacity.available_permits().min(free);
            let permits = capacity.try_acquire_many_owned(limit as u32).ok().filter(|_| limit > 0);
            let Some(permits) = permits else { return shared.backlog.expect(&version) };
            self.of_versions.insert(version.clone(), permits);
        }
        self.wanted.push(Wanted { version, limit: limit as u32 });
    }

    fn leave_out_what_is_not_needed(&mut self) {
        let needed = self.wanted.iter().map(|wanted| wanted.limit as usize).sum();
        let spare = self.of_node.num_permits().saturating_sub(needed);
        drop(self.of_node.split(spare));
    }

    /// A claim that gave less than it might have has seen all that waits; of a version that filled its places, more may wait.
    fn settle(&self, claimed: &[Claimed], backlog: &Backlog) {
        let cut_off = claimed.len() == self.of_node.num_permits();
        let mut backlog = backlog.lock();
        for wanted in self.wanted.iter().filter(|wanted| self.of_versions.contains_key(&wanted.version)) {
            let given = claimed.iter().filter(|claimed| claimed.prediction.request.version == wanted.version);
            if given.count() == wanted.limit as usize {
                backlog.versions.insert(wanted.version.clone());
            } else if !cut_off {
                backlog.versions.remove(&wanted.version);
            }
        }
    }
}

const ENOUGH: &str = "no more is claimed than places were taken";

#[cfg(test)]
mod tests {
    use super::*;

    fn version(letter: &str) -> VersionId {
        letter.repeat(64).parse().expect("an id")
    }

    #[test]
    fn what_was_announced_is_looked_for_once_and_again_when_not_all_was_seen() {
        let backlog = Backlog::default();
        let first = backlog.look();
        assert_eq!(first, Some(Look::Anything), "what an earlier process left");
        assert_eq!(backlog.look(), None);
        backlog.look_again(&Look::Anything);
        assert_eq!(backlog.look(), Some(Look::Anything));
    }

    #[test]
    fn what_is_announced_during_a_look_is_for_the_next_one() {
        let backlog = Backlog::default();
        backlog.look();
        backlog.expect_anything();
        assert_eq!(backlog.look(), Some(Look::Anything));
    }

    #[test]
    fn a_version_with_a_backlog_is_looked_for_alone_until_it_has_none() {
        let backlog = Backlog::default();
        backlog.look();
        backlog.expect(&version("a"));
        for _ in 0..2 {
            let look = backlog.look().expect("it is expected");
            assert!(look.is_for(&version("a")) && !look.is_for(&version("b")));
            backlog.look_again(&look);
        }
        backlog.lock().versions.remove(&version("a"));
        assert_eq!(backlog.look(), None);
    }
}
