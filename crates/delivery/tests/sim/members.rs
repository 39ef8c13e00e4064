//! Who is a node, and until when: the part of the store that SQLite, where there is one node, does not have.
//!
//! As in PostgreSQL, an epoch whose lease is over is given up by the first that looks, in one step with freeing its lanes;
//! leases are judged by the store's own clock, which is the true time here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cogwire_store::{DeliveryStore, NodeEpoch, SqliteStore};

use super::ledger::Ledger;
use super::time::{VirtualTime, wait};

/// The epochs, shared by all nodes.
#[derive(Clone)]
pub(crate) struct Members {
    epochs: Arc<Mutex<Epochs>>,
    store: Arc<SqliteStore>,
    time: VirtualTime,
    ledger: Ledger,
}

#[derive(Default)]
struct Epochs {
    /// Those that live, and how long their leases last.
    alive: BTreeMap<String, Duration>,
    /// Those that have been given up or have retired; they may still be named as owners.
    ended: BTreeSet<String>,
    /// How long the last lease of each lasted.
    lasted: BTreeMap<String, Duration>,
}

impl Members {
    pub(crate) fn new(store: Arc<SqliteStore>, time: VirtualTime, ledger: Ledger) -> Self {
        Self { epochs: Arc::default(), store, time, ledger }
    }

    /// Begins an epoch, or begins it again.
    pub(crate) fn join(&self, node: &str, lease: Duration) {
        let mut epochs = self.lock();
        epochs.ended.remove(node);
        epochs.extend(node, self.time.now() + lease);
    }

    /// Extends a lease; `false` when the epoch has been given up.
    pub(crate) fn renew(&self, node: &str, lease: Duration) -> bool {
        let mut epochs = self.lock();
        let lives = epochs.alive.contains_key(node);
        if lives {
            epochs.extend(node, self.time.now() + lease);
        }
        lives
    }

    /// Ends an epoch in an orderly stop.
    pub(crate) fn retire(&self, node: &str) {
        let mut epochs = self.lock();
        epochs.alive.remove(node);
        epochs.ended.insert(node.to_owned());
    }

    /// Gives up the others whose lease is over, and frees whatever an epoch holds that has ended.
    pub(crate) fn take_over(&self, node: &str) {
        let mut epochs = self.lock();
        for given_up in epochs.give_up(node, self.time.now()) {
            self.ledger.note(self.time.now(), &format!("{node} gives up {given_up}"));
        }
        for ended in &epochs.ended {
            self.free_lanes(&NodeEpoch(ended.as_str().into()));
        }
    }

    /// When the lease of an epoch ends, or ended.
    pub(crate) fn lease_until(&self, node: &str) -> Duration {
        self.lock().lasted[node]
    }

    fn free_lanes(&self, owner: &NodeEpoch) {
        let held = wait(self.store.held_lanes(owner)).expect("readable");
        if !held.is_empty() {
            wait(self.store.release_lanes(owner, &held)).expect("writable");
            self.ledger.count(|tally| tally.lanes_taken_over += held.len() as u64);
            self.ledger.note(self.time.now(), &format!("{} lanes of {owner} are free", held.len()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Epochs> {
        self.epochs.lock().expect("nothing panics while it is locked")
    }
}

impl Epochs {
    fn extend(&mut self, node: &str, until: Duration) {
        self.alive.insert(node.to_owned(), until);
        self.lasted.insert(node.to_owned(), until);
    }

    fn give_up(&mut self, except: &str, now: Duration) -> Vec<String> {
        let over =
            |(node, until): (&String, &Duration)| (*until < now && node != except).then(|| node.clone());
        let given_up: Vec<String> = self.alive.iter().filter_map(over).collect();
        for node in &given_up {
            self.alive.remove(node);
            self.ended.insert(node.clone());
        }
        given_up
    }
}
