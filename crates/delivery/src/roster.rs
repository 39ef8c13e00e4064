//! Whose turn it is: lanes that wait for a free request, origin by origin.
//!
//! Origins take turns, each within its own limit, so that no receiver holds up another. An origin for which many lanes wait is
//! reported as crowded: what else is due for it should stay in the store. Pure: no clock, no IO.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::attempt::Health;
use crate::origin::Origin;

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
    /// The origins from which something may begin, each once.
    turns: VecDeque<Arc<str>>,
    crowded: usize,
    crowding_changes: Vec<(Arc<str>, bool)>,
}

impl<T: Bound> Roster<T> {
    pub(crate) fn new(max_in_flight: usize, per_origin: usize) -> Self {
        Self {
            max_in_flight,
            per_origin,
            in_flight: 0,
            origins: HashMap::new(),
            turns: VecDeque::new(),
            crowded: 0,
            crowding_changes: Vec::new(),
        }
    }

    /// Lets an item wait; it comes back when too many wait for its origin already.
    pub(crate) fn admit(&mut self, item: T) -> Result<(), T> {
        self.change(&self.key(item.origin()), |origin| origin.push(item))
    }

    /// Lets an item wait that comes before all others of its origin: what it belongs to has begun.
    pub(crate) fn admit_first(&mut self, item: T) {
        self.change(&self.key(item.origin()), |origin| origin.push_first(item));
    }

    /// The next item to begin, and its origin; [`Roster::ended`] must follow when it is over.
    pub(crate) fn next(&mut self) -> Option<(Arc<str>, T)> {
        if self.in_flight >= self.max_in_flight {
            return None;
        }
        let key = self.next_turn()?;
        let item = self.change(&key, Origin::begin)?;
        self.in_flight += 1;
        Some((key, item))
    }

    /// The next origin from which something may begin. Turns that have become stale are passed over: a stall lowers a limit
    /// after the turn was queued.
    fn next_turn(&mut self) -> Option<Arc<str>> {
        while let Some(key) = self.turns.pop_front() {
            if let Some(origin) = self.origins.get_mut(&key) {
                origin.has_turn = false;
                if origin.may_begin() {
                    return Some(key);
                }
            }
        }
        None
    }

    /// A request to this origin is over.
    pub(crate) fn ended(&mut self, key: &Arc<str>, health: Health) {
        self.in_flight -= 1;
        self.change(key, |origin| origin.ended(health));
        let forgettable = |origin: &Origin<T>| origin.is_well() || self.origins.len() > MAX_REMEMBERED;
        if self.origins.get(key).is_some_and(|origin| origin.is_idle() && forgettable(origin)) {
            self.origins.remove(key);
        }
    }

    /// How many requests are under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether more of what is due should stay in the store for now.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded > 0
    }

    /// The origins that have become crowded, or are so no longer, since the last call.
    pub(crate) fn take_crowding_changes(&mut self) -> impl Iterator<Item = (Arc<str>, bool)> {
        self.crowding_changes.drain(..)
    }

    /// Takes out everything that waits.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        // Turns that are left are stale, and passed over.
        self.origins.values_mut().flat_map(Origin::drain).collect()
    }

    fn key(&self, name: &str) -> Arc<str> {
        self.origins.get_key_value(name).map_or_else(|| name.into(), |(key, _)| Arc::clone(key))
    }

    /// Changes an origin, and draws the conclusions: its turn, and whether it is crowded.
    fn change<R>(&mut self, key: &Arc<str>, change: impl FnOnce(&mut Origin<T>) -> R) -> R {
        let origin = self.origins.entry(Arc::clone(key)).or_insert_with(|| Origin::new(self.per_origin));
        let result = change(origin);
        if !origin.has_turn && origin.may_begin() {
            origin.has_turn = true;
            self.turns.push_back(Arc::clone(key));
        }
        if let Some(crowded) = origin.crowding_change() {
            self.crowded = if crowded { self.crowded + 1 } else { self.crowded - 1 };
            self.crowding_changes.push((Arc::clone(key), crowded));
        }
        result
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
    fn a_stall_between_ends_loses_no_place() {
        let mut roster = Roster::new(64, 64);
        for number in 0..17 {
            roster.admit(item("a", number)).expect("room");
        }
        let mut under_way = begin_all(&mut roster);
        assert_eq!(under_way.len(), 16);
        let ends = [vec![Health::Answers, Health::Stalls], vec![Health::Answers; 9]].concat();
        for (health, (origin, _)) in ends.into_iter().zip(under_way.drain(..11)) {
            roster.ended(&origin, health);
        }
        under_way.extend(begin_all(&mut roster));
        assert_eq!(roster.in_flight(), under_way.len());
        for (origin, _) in under_way {
            roster.ended(&origin, Health::Unknown);
        }
        assert_eq!((roster.in_flight(), roster.next()), (0, None));
    }

    proptest::proptest! {
        #[test]
        fn every_place_comes_back(steps in proptest::collection::vec((0u8..3, 0u8..3, 0u8..4), 1..300)) {
            let mut roster = Roster::new(12, 8);
            let mut under_way: Vec<(Arc<str>, Item)> = Vec::new();
            for (number, (step, health, origin)) in (0..).zip(steps) {
                match step {
                    0 => drop(roster.admit(item(["a", "b", "c", "d"][origin as usize], number))),
                    1 => under_way.extend(roster.next()),
                    _ if under_way.is_empty() => {}
                    _ => {
                        let (origin, _) = under_way.remove(0);
                        let healths = [Health::Answers, Health::Stalls, Health::Unknown];
                        roster.ended(&origin, healths[health as usize]);
                    }
                }
                proptest::prop_assert_eq!(roster.in_flight(), under_way.len());
                proptest::prop_assert!(under_way.len() <= 12);
            }
        }
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
    fn everything_begins_once_whatever_the_order_of_events() {
        let mut roster = Roster::new(7, 3);
        let mut begun = Vec::new();
        for round in 0..200_u32 {
            let origin = format!("origin {}", round % 5);
            assert!(roster.admit(item(&origin, round)).is_ok(), "three requests let 24 wait");
            if round % 3 == 0 {
                for (key, item) in begin_all(&mut roster) {
                    roster.ended(&key, Health::Answers);
                    begun.push(item.1);
                }
            }
        }
        while let Some((key, item)) = roster.next() {
            roster.ended(&key, Health::Answers);
            begun.push(item.1);
        }
        begun.sort_unstable();
        assert_eq!(begun, (0..200).collect::<Vec<_>>());
        assert!(roster.origins.is_empty() && roster.turns.is_empty(), "{roster:?}");
    }

    #[test]
    fn an_origin_at_its_limit_goes_on_when_a_request_ends() {
        let mut roster = Roster::new(100, 2);
        for number in 0..5 {
            roster.admit(item("a", number)).expect("room");
        }
        let begun = begin_all(&mut roster);
        assert_eq!(begun.len(), 2);
        roster.ended(&begun[0].0, Health::Unknown);
        assert_eq!(begin_all(&mut roster).len(), 1);
    }

    #[test]
    fn a_crowded_origin_is_reported_and_others_are_not_concerned() {
        let mut roster = Roster::new(1000, 64);
        let admitted = (0..).take_while(|number| roster.admit(item("a", *number)).is_ok()).count();
        assert_eq!(admitted, 128);
        roster.admit(item("b", 1)).expect("room");
        assert!(roster.is_crowded());
        let changes: Vec<_> = roster.take_crowding_changes().collect();
        assert_eq!(changes, [("a".into(), true)]);
        for _ in 0..200 {
            let begun = begin_all(&mut roster);
            begun.iter().for_each(|(key, _)| roster.ended(key, Health::Answers));
        }
        assert!(!roster.is_crowded());
        let changes: Vec<_> = roster.take_crowding_changes().collect();
        assert_eq!(changes, [("a".into(), false)]);
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
