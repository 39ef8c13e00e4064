//! Who may run: the node's own bound, the places that each version has, and who came first.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cogwire_core::id::VersionId;
use cogwire_core::prediction::Request;
use cogwire_runner::Runner;
use cogwire_store::prediction::{Claimed, Wanted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Shared;

/// The right to run one prediction; whoever is next has it when this is dropped.
pub(crate) struct Slot {
    _of_node: OwnedSemaphorePermit,
    /// Of a version whose instances are counted.
    _of_version: Option<OwnedSemaphorePermit>,
}

/// The versions of which predictions may be waiting: what is created for them waits behind those, although a slot be free.
#[derive(Debug, Default)]
pub(crate) struct Backlog(Mutex<HashSet<VersionId>>);

impl Backlog {
    /// Predictions of this version may be waiting.
    pub(crate) fn expect(&self, version: &VersionId) {
        self.lock().insert(version.clone());
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<VersionId>> {
        // The set is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            self.backlog.lock().insert(version.clone());
        }
        slot
    }

    fn try_slot(&self, version: &VersionId, capacity: Option<&Arc<Semaphore>>) -> Option<Slot> {
        let of_version = match capacity {
            Some(_) if self.backlog.lock().contains(version) => return None,
            Some(capacity) => Some(capacity.clone().try_acquire_owned().ok()?),
            None => None,
        };
        Some(Slot { _of_node: self.slots.clone().try_acquire_owned().ok()?, _of_version: of_version })
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
    pub(crate) fn take(slots: &Arc<Semaphore>, runner: &Runner, most: usize) -> Option<Self> {
        let free = slots.available_permits().min(most);
        let of_node = slots.clone().try_acquire_many_owned(free as u32).ok().filter(|_| free > 0)?;
        let mut places = Self { of_node, of_versions: HashMap::new(), wanted: Vec::new() };
        for version in runner.versions() {
            places.add(version, runner, free);
        }
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
                let slot = Slot { _of_node: self.of_node.split(1).expect(ENOUGH), _of_version: of_version };
                (claimed, slot)
            })
            .collect()
    }

    fn add(&mut self, version: VersionId, runner: &Runner, free: usize) {
        let mut limit = free;
        if let Some(capacity) = runner.capacity(&version) {
            limit = capacity.available_permits().min(free);
            let Ok(permits) = capacity.try_acquire_many_owned(limit as u32) else { return };
            if limit == 0 {
                return;
            }
            self.of_versions.insert(version.clone(), permits);
        }
        self.wanted.push(Wanted { version, limit: limit as u32 });
    }

    /// A claim that gave less than it might have has seen all that waits; of a version that filled its places, more may wait.
    fn settle(&self, claimed: &[Claimed], backlog: &Backlog) {
        let cut_off = claimed.len() == self.of_node.num_permits();
        let mut backlog = backlog.lock();
        for wanted in self.wanted.iter().filter(|wanted| self.of_versions.contains_key(&wanted.version)) {
            let given = claimed.iter().filter(|claimed| claimed.prediction.request.version == wanted.version);
            if given.count() == wanted.limit as usize {
                backlog.insert(wanted.version.clone());
            } else if !cut_off {
                backlog.remove(&wanted.version);
            }
        }
    }
}

const ENOUGH: &str = "no more is claimed than places were taken";
