//! Origins that are left alone: those that are down, and those that asked for it. Pure: no clock, no IO.
//!
//! An origin is taken to be down after many stalls in a row. Then its messages wait in the store and spend no attempts, and one
//! at a time is sent as a probe, until something answers, whatever it says. Nothing of this is stored: a restart begins anew.

mod state;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::time::Timestamp;
use cogwire_core::webhook::schedule::MAX_EASE;

use crate::health::Health;
use state::{Circuit, LONGEST_WAIT, Open, Stalls};

/// The most origins that are remembered. Beyond, those that merely stalled are forgotten, and when all of them are left
/// alone, a further origin is not: its messages keep to their schedules.
const MAX_CIRCUITS: usize = 10_000;
/// How long an origin has been down before anything is given up for its age: what waited out an outage of ours is tried.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// What is known about origins that do not answer.
#[derive(Debug)]
pub(crate) struct Circuits {
    max_age: Duration,
    known: HashMap<Arc<str>, Circuit>,
    /// When an origin that is left alone is looked at again.
    times: BTreeSet<(Timestamp, Arc<str>)>,
    /// Origins to be probed now, each once.
    ready: VecDeque<Arc<str>>,
    open: usize,
    changes: Vec<(Arc<str>, Change)>,
}

/// Something that is to be told and acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is down, since then.
    Opened(Timestamp),
    /// It answers again, and was down since then.
    Closed(Timestamp),
    /// It is down, and nothing waits for it any more.
    Forgotten,
    /// It asked to be left alone.
    Rests,
    /// It has been left alone for long enough.
    Rested,
}

/// A request to an origin that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    /// When the next one follows, if this one gets no answer.
    pub(crate) again_after: Duration,
}

/// What is too old to wait any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooOld {
    /// Everything that was due before.
    pub(crate) due_before: Timestamp,
    /// Since when the origin is down.
    pub(crate) down_since: Timestamp,
}

impl Circuits {
    /// `max_age` is how long a message may wait for an origin that is down.
    pub(crate) fn new(max_age: Duration) -> Self {
        Self {
            max_age,
            known: HashMap::new(),
            times: BTreeSet::new(),
            ready: VecDeque::new(),
            open: 0,
            changes: Vec::new(),
        }
    }

    /// A request to this origin is over. Of those to an origin that is down, only the probe may fail it further; any of them
    /// may show that it is up.
    pub(crate) fn ended(&mut self, origin: &Arc<str>, is_probe: bool, health: Health, now: Timestamp) {
        match (self.known.get(&**origin).copied(), health) {
            (Some(Circuit::Resting), _) => {}
            (_, Health::Slows(ease)) => {
                self.close(origin);
                self.rest(origin, ease, now);
            }
            (Some(_), health) if health.is_answer() => self.close(origin),
            (Some(Circuit::Open(open)), _) if is_probe => self.plan(origin, open.later(), now),
            (Some(Circuit::Closed(stalls)), Health::Stalls) => self.stalled(origin, stalls.and_one(), now),
            (None, Health::Stalls) => self.stalled(origin, Stalls::first(now), now),
            _ => {}
        }
    }

    /// Whether nothing but probes is sent there.
    pub(crate) fn is_off(&self, origin: &str) -> bool {
        matches!(self.known.get(origin), Some(Circuit::Open(_) | Circuit::Resting))
    }

    /// What a request to it is now, if it is down.
    pub(crate) fn probe(&self, origin: &str) -> Option<Probe> {
        self.open(origin).map(|open| Probe { again_after: open.later().delay })
    }

    /// What is given up now, if it is down.
    pub(crate) fn too_old(&self, origin: &str, now: Timestamp) -> Option<TooOld> {
        let open = self.open(origin)?;
        let long_enough = now.since(open.since) >= GRACE.min(self.max_age);
        long_enough.then(|| TooOld { due_before: now - self.max_age, down_since: open.since })
    }

    /// When to look at an origin again, if at any.
    pub(crate) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.ready.is_empty() { self.times.first().map(|(at, _)| *at) } else { Some(now) }
    }

    /// The next origin to look for a message for. [`Circuits::ended`], [`Circuits::found_nothing`] or [`Circuits::try_soon`]
    /// must follow.
    pub(crate) fn next_ready(&mut self) -> Option<Arc<str>> {
        self.ready.pop_front()
    }

    /// Whether an origin is to be probed now.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Notices what is over by now.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        // What is planned further away than anything can be was planned before the clock was set back.
        let over = |at: Timestamp| at <= now || at > now + LONGEST_WAIT;
        while self.times.first().is_some_and(|(at, _)| over(*at)) {
            let Some((_, origin)) = self.times.pop_first() else { return };
            match self.known.get(&origin) {
                Some(Circuit::Open(_)) => self.ready.push_back(origin),
                _ => {
                    self.known.remove(&origin);
                    self.changes.push((origin, Change::Rested));
                }
            }
        }
    }

    /// No message is due for it. When that is so for long, there is nothing to protect, and it is forgotten.
    pub(crate) fn found_nothing(&mut self, origin: &Arc<str>, now: Timestamp) {
        match self.open(origin) {
            Some(open) if open.is_patient() => self.remove_open(origin, Change::Forgotten),
            Some(open) => self.plan(origin, open.later(), now),
            None => {}
        }
    }

    /// It could not be probed, for a reason on this side.
    pub(crate) fn try_soon(&mut self, origin: &Arc<str>, now: Timestamp) {
        if let Some(open) = self.open(origin) {
            self.plan(origin, open, now);
        }
    }

    /// The origins that are down.
    pub(crate) fn open_count(&self) -> usize {
        self.open
    }

    /// What has changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<(Arc<str>, Change)> {
        std::mem::take(&mut self.changes)
    }

    fn open(&self, origin: &str) -> Option<Open> {
        match self.known.get(origin) {
            Some(Circuit::Open(open)) => Some(*open),
            _ => None,
        }
    }

    fn stalled(&mut self, origin: &Arc<str>, stalls: Stalls, now: Timestamp) {
        if !self.has_room(origin) {
            return;
        }
        let Some(open) = stalls.open() else {
            self.known.insert(Arc::clone(origin), Circuit::Closed(stalls));
            return;
        };
        self.open += 1;
        self.changes.push((Arc::clone(origin), Change::Opened(open.since)));
        self.plan(origin, open, now);
    }

    /// Plans the next probe.
    fn plan(&mut self, origin: &Arc<str>, open: Open, now: Timestamp) {
        self.forget_times(origin);
        let open = Open { next_at: now + open.delay, ..open };
        self.times.insert((open.next_at, Arc::clone(origin)));
        self.known.insert(Arc::clone(origin), Circuit::Open(open));
    }

    fn rest(&mut self, origin: &Arc<str>, ease: Duration, now: Timestamp) {
        if ease.is_zero() || !self.has_room(origin) {
            return;
        }
        self.known.insert(Arc::clone(origin), Circuit::Resting);
        self.changes.push((Arc::clone(origin), Change::Rests));
        self.times.insert((now + ease.min(MAX_EASE), Arc::clone(origin)));
    }

    /// It answers.
    fn close(&mut self, origin: &Arc<str>) {
        match self.open(origin) {
            Some(open) => self.remove_open(origin, Change::Closed(open.since)),
            None => {
                self.known.remove(origin);
            }
        }
    }

    fn remove_open(&mut self, origin: &Arc<str>, change: Change) {
        self.forget_times(origin);
        self.known.remove(origin);
        self.open -= 1;
        self.changes.push((Arc::clone(origin), change));
    }

    fn forget_times(&mut self, origin: &Arc<str>) {
        if let Some(open) = self.open(origin) {
            self.times.remove(&(open.next_at, Arc::clone(origin)));
            self.ready.retain(|ready| ready != origin);
        }
    }

    fn has_room(&mut self, origin: &str) -> bool {
        if self.known.len() >= MAX_CIRCUITS && !self.known.contains_key(origin) {
            self.known.retain(|_, circuit| !matches!(circuit, Circuit::Closed(_)));
        }
        self.known.len() < MAX_CIRCUITS || self.known.contains_key(origin)
    }
}

#[cfg(test)]
mod tests;
