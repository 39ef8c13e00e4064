//! Whose turn it is: lanes that wait for a free request, origin by origin.
//!
//! Every origin has its own limit of requests at once. It begins low, grows with each answer, and is halved whenever the
//! origin stalls, so a receiver that hangs soon holds up one request and nobody else's. Origins take turns. A stalling
//! origin may keep only a few lanes waiting in memory; the others go back to the store. Pure: no clock, no IO.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::attempt::Health;

/// The limit of an origin that nothing is known about.
const INITIAL: usize = 16;
/// How many lanes a stalling origin may keep waiting, for each request that it is allowed.
const WAITING_PER_REQUEST: usize = 4;
/// The most idle origins whose stalling is remembered.
const MAX_REMEMBERED: usize = 4096;

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
    origins: HashMap<Arc<str>, Origin<T>>,
    /// The origins that have both a waiting lane and room for a request, each once.
    turns: VecDeque<Arc<str>>,
}

#[derive(Debug)]
struct Origin<T> {
    limit: usize,
    in_flight: usize,
    waiting: VecDeque<T>,
    in_turns: bool,
}

impl<T: Bound> Roster<T> {
    pub(crate) fn new(max_in_flight: usize, per_origin: usize) -> Self {
        Self { max_in_flight, per_origin, in_flight: 0, origins: HashMap::new(), turns: VecDeque::new() }
    }

    /// Lets an item wait. It comes back when its origin stalls and enough wait for it already.
    pub(crate) fn admit(&mut self, item: T) -> Result<(), T> {
        let initial = self.initial();
        let (key, state) = self.origin(item.origin());
        if state.limit < initial && state.waiting.len() >= state.limit * WAITING_PER_REQUEST {
            return Err(item);
        }
        state.waiting.push_back(item);
        self.take_turn(key);
        Ok(())
    }

    /// Lets an item wait that comes before all others of its origin: what it belongs to has begun.
    pub(crate) fn admit_first(&mut self, item: T) {
        let (key, state) = self.origin(item.origin());
        state.waiting.push_front(item);
        self.take_turn(key);
    }

    /// The next item to begin, and its origin; [`Roster::ended`] must follow when it is over.
    pub(crate) fn next(&mut self) -> Option<(Arc<str>, T)> {
        if self.in_flight >= self.max_in_flight {
            return None;
        }
        let key = self.turns.pop_front()?;
        let state = self.origins.get_mut(&key)?;
        state.in_turns = false;
        let item = state.waiting.pop_front()?;
        state.in_flight += 1;
        self.in_flight += 1;
        self.take_turn(Arc::clone(&key));
        Some((key, item))
    }

    /// A request to this origin is over.
    pub(crate) fn ended(&mut self, key: &Arc<str>, health: Health) {
        self.in_flight -= 1;
        let (per_origin, initial) = (self.per_origin, self.initial());
        let crowded = self.origins.len() > MAX_REMEMBERED;
        let Some(state) = self.origins.get_mut(key) else { return };
        state.in_flight -= 1;
        state.limit = match health {
            Health::Answers => (state.limit + 1).min(per_origin),
            Health::Stalls => (state.limit / 2).max(1),
            Health::Unknown => state.limit,
        };
        let idle = state.in_flight == 0 && state.waiting.is_empty();
        if idle && (crowded || state.limit >= initial) {
            self.origins.remove(key);
        } else {
            self.take_turn(Arc::clone(key));
        }
    }

    /// How many requests are under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Takes out everything that waits.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.turns.clear();
        let origins = self.origins.values_mut();
        origins
            .flat_map(|state| {
                state.in_turns = false;
                state.waiting.drain(..)
            })
            .collect()
    }

    fn initial(&self) -> usize {
        INITIAL.min(self.per_origin)
    }

    fn origin(&mut self, name: &str) -> (Arc<str>, &mut Origin<T>) {
        let key = match self.origins.get_key_value(name) {
            Some((key, _)) => Arc::clone(key),
            None => name.into(),
        };
        let limit = self.initial();
        let fresh = || Origin { limit, in_flight: 0, waiting: VecDeque::new(), in_turns: false };
        let state = self.origins.entry(Arc::clone(&key)).or_insert_with(fresh);
        (key, state)
    }

    fn take_turn(&mut self, key: Arc<str>) {
        let Some(state) = self.origins.get_mut(&key) else { return };
        if !state.in_turns && !state.waiting.is_empty() && state.in_flight < state.limit {
            state.in_turns = true;
            self.turns.push_back(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Item = (String, u32);

    impl Bound for Item {
        fn origin(&self) -> &str {
            &self.0
        }
    }

    fn item(origin: &str, number: u32) -> Item {
        (origin.to_owned(), number)
    }

    fn begin_all(roster: &mut Roster<Item>) -> Vec<(Arc<str>, Item)> {
        std::iter::from_fn(|| roster.next()).collect()
    }

    #[test]
    fn origins_take_turns() {
        let mut roster = Roster::new(4, 64);
        for number in 0..10 {
            roster.admit(item("busy", number)).expect("room");
        }
        roster.admit(item("quiet", 100)).expect("room");
        let begun: Vec<u32> = begin_all(&mut roster).into_iter().map(|(_, item)| item.1).collect();
        assert_eq!(begun, [0, 100, 1, 2]);
    }

    #[test]
    fn an_origin_that_answers_gets_more_and_one_that_stalls_gets_less() {
        let mut roster = Roster::new(1000, 64);
        for number in 0..400 {
            roster.admit(item("a", number)).expect("room");
        }
        let begun = begin_all(&mut roster);
        assert_eq!(begun.len(), 16);
        for (key, _) in &begun {
            roster.ended(key, Health::Answers);
        }
        let begun = begin_all(&mut roster);
        assert_eq!(begun.len(), 32);
        for (key, _) in &begun {
            roster.ended(key, Health::Stalls);
        }
        let begun = begin_all(&mut roster);
        assert_eq!(begun.len(), 1);
        roster.ended(&begun[0].0, Health::Answers);
        assert_eq!(begin_all(&mut roster).len(), 2);
    }

    #[test]
    fn a_stalling_origin_keeps_few_lanes_waiting() {
        let mut roster = Roster::new(1000, 64);
        roster.admit(item("a", 0)).expect("room");
        let (key, _) = roster.next().expect("its turn");
        for _ in 0..5 {
            roster.in_flight += 1;
            roster.origins.get_mut(&key).expect("known").in_flight += 1;
            roster.ended(&key, Health::Stalls);
        }
        let admitted = (0..10).filter(|number| roster.admit(item("a", *number)).is_ok()).count();
        assert_eq!(admitted, WAITING_PER_REQUEST);
        roster.admit(item("b", 1)).expect("another origin is not concerned");
    }

    #[test]
    fn nothing_is_remembered_of_origins_that_are_well() {
        let mut roster = Roster::new(10, 64);
        for number in 0..100 {
            roster.admit(item(&format!("origin {number}"), number)).expect("room");
            let (key, _) = roster.next().expect("its turn");
            roster.ended(&key, Health::Answers);
        }
        assert!(roster.origins.is_empty());
        assert_eq!(roster.in_flight(), 0);
    }

    #[test]
    fn what_was_drained_has_no_turn_any_more() {
        let mut roster = Roster::new(10, 64);
        roster.admit(item("a", 1)).expect("room");
        roster.admit_first(item("a", 0));
        assert_eq!(roster.drain(), [item("a", 0), item("a", 1)]);
        assert!(roster.next().is_none());
        roster.admit(item("a", 2)).expect("room");
        assert_eq!(begin_all(&mut roster).len(), 1);
    }
}
