//! Whose turn it is: lanes that wait for a free request, origin by origin.
//!
//! Origins take turns, each within its own limit, so that no receiver holds up another. Those that are not known to answer at
//! once have half of all requests between them, however many they are. An origin for which many lanes wait is reported as
//! crowded: what else is due for it should stay in the store. Pure: no clock, no IO.

mod turns;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cogwire_core::time::Timestamp;

use crate::health::Health;
use crate::origin::{Load, Origin};
use turns::Turns;

/// The most idle origins whose stalling is remembered.
const MAX_REMEMBERED: usize = 4096;
/// The most origins that are remembered to answer at once. When there are more, all have to show it again.
const MAX_STEADY: usize = 10_000;
/// The part of all requests that doubtful origins have between them: one in this many.
const DOUBTFUL_PART: usize = 2;
/// How many lanes of doubtful origins may wait in memory for each of all requests.
const DOUBTFUL_WAITING_PER_REQUEST: usize = 2;

/// Something that waits for a request to an origin.
pub(crate) trait Bound {
    /// Scheme, host and port of its receiver.
    fn origin(&self) -> &str;
}

/// Lanes that wait, and how many requests are under way.
#[derive(Debug)]
pub(crate) struct Roster<T> {
    max_in_flight: usize,
    per_origin: usize,
    in_flight: usize,
    /// The part of everything that belongs to origins which may hold it up.
    doubtful: Load,
    origins: HashMap<Arc<str>, Origin<T>>,
    /// Those that answered at once when they were last asked, also when nothing else is known of them.
    steady: HashSet<Arc<str>>,
    /// The origins from which something may begin.
    turns: Turns,
    crowding_changes: Vec<(Arc<str>, bool)>,
}

impl<T: Bound> Roster<T> {
    pub(crate) fn new(max_in_flight: usize, per_origin: usize) -> Self {
        Self {
            max_in_flight,
            per_origin,
            in_flight: 0,
            doubtful: Load::default(),
            origins: HashMap::new(),
            steady: HashSet::new(),
            turns: Turns::default(),
            crowding_changes: Vec::new(),
        }
    }

    /// Lets an item wait; it comes back when too many wait for its origin already, or for all that are doubtful.
    pub(crate) fn admit(&mut self, item: T) -> Result<(), T> {
        if self.is_overcrowded() && !self.steady.contains(item.origin()) {
            return Err(item);
        }
        self.change(&self.key(item.origin()), |origin| origin.push(item))
    }

    /// Lets an item wait that comes before all others of its origin: what it belongs to has begun.
    pub(crate) fn admit_first(&mut self, item: T) {
        self.change(&self.key(item.origin()), |origin| origin.push_first(item));
    }

    /// The next item to begin, and its origin; [`Roster::ended`] must follow when it is over.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<(Arc<str>, T)> {
        if self.in_flight >= self.max_in_flight {
            return None;
        }
        let key = self.next_turn(now)?;
        let item = self.change(&key, |origin| origin.begin(now))?;
        self.in_flight += 1;
        Some((key, item))
    }

    /// The next origin from which something may begin. Turns that have become stale are passed over: a stall lowers a limit,
    /// or an origin becomes doubtful, after the turn was queued.
    fn next_turn(&mut self, now: Timestamp) -> Option<Arc<str>> {
        let share = (self.max_in_flight / DOUBTFUL_PART).max(1);
        while let Some((key, as_steady)) = self.turns.pop(self.doubtful.in_flight < share) {
            if self.origins.get(&key).is_some_and(|origin| origin.falls_silent(now)) {
                self.change(&key, Origin::doubt);
            }
            let Some(origin) = self.origins.get_mut(&key) else { continue };
            if origin.is_steady() != as_steady {
                self.turns.push(key, origin.is_steady());
                continue;
            }
            origin.has_turn = false;
            if origin.may_begin() {
                return Some(key);
            }
        }
        None
    }

    /// A request to this origin is over.
    pub(crate) fn ended(&mut self, key: &Arc<str>, health: Health, now: Timestamp) {
        self.in_flight -= 1;
        let is_steady = self.change(key, |origin| {
            origin.ended(health, now);
            origin.is_steady()
        });
        self.remember(key, is_steady);
        let forgettable = |origin: &Origin<T>| origin.is_well() || self.origins.len() > MAX_REMEMBERED;
        if self.origins.get(key).is_some_and(|origin| origin.is_idle() && forgettable(origin)) {
            self.origins.remove(key);
        }
    }

    /// How many requests are under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether so much waits for doubtful origins that more of it should stay in the store for now.
    pub(crate) fn is_overcrowded(&self) -> bool {
        self.doubtful.waiting >= self.max_in_flight * DOUBTFUL_WAITING_PER_REQUEST
    }

    /// Whether more for this origin should stay in the store for now.
    pub(crate) fn is_crowded(&self, origin: &str) -> bool {
        self.origins.get(origin).is_some_and(Origin::is_crowded)
    }

    /// The origins that have become crowded, or are so no longer, since the last call.
    pub(crate) fn take_crowding_changes(&mut self) -> impl Iterator<Item = (Arc<str>, bool)> {
        self.crowding_changes.drain(..)
    }

    /// Takes out everything that waits for this origin.
    pub(crate) fn drain_origin(&mut self, key: &Arc<str>) -> Vec<T> {
        // Turns that are left are stale, and passed over.
        if self.origins.contains_key(key) { self.change(key, Origin::drain).into() } else { Vec::new() }
    }

    /// Takes out everything that waits.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let keys: Vec<_> = self.origins.keys().cloned().collect();
        keys.iter().flat_map(|key| self.drain_origin(key)).collect()
    }

    fn remember(&mut self, key: &Arc<str>, is_steady: bool) {
        if !is_steady {
            self.steady.remove(key);
        } else if !self.steady.contains(key) {
            if self.steady.len() >= MAX_STEADY {
                self.steady.clear();
            }
            self.steady.insert(Arc::clone(key));
        }
    }

    fn key(&self, name: &str) -> Arc<str> {
        self.origins.get_key_value(name).map_or_else(|| name.into(), |(key, _)| Arc::clone(key))
    }

    /// Changes an origin, and draws the conclusions: its turn, and whether it is crowded.
    fn change<R>(&mut self, key: &Arc<str>, change: impl FnOnce(&mut Origin<T>) -> R) -> R {
        let new = || Origin::new(self.per_origin, self.steady.contains(key));
        let origin = self.origins.entry(Arc::clone(key)).or_insert_with(new);
        let before = origin.doubtful();
        let result = change(origin);
        self.doubtful = self.doubtful.without(before).with(origin.doubtful());
        if !origin.has_turn && origin.may_begin() {
            origin.has_turn = true;
            self.turns.push(Arc::clone(key), origin.is_steady());
        }
        if let Some(crowded) = origin.crowding_change() {
            self.crowding_changes.push((Arc::clone(key), crowded));
        }
        result
    }
}

#[cfg(test)]
mod tests;
