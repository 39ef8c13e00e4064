//! Answers of the store that are trusted for a moment, so that not every request asks again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cogwire_core::time::Timestamp;

/// A bounded map whose entries age.
pub(super) struct Recent<K, V> {
    entries: Mutex<HashMap<K, Entry<V>>>,
    max_age: Duration,
    capacity: usize,
}

struct Entry<V> {
    value: V,
    since: Timestamp,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    /// Entries are trusted for less than `max_age`; there are never more than `capacity`.
    pub(super) fn new(max_age: Duration, capacity: usize) -> Self {
        Self { entries: Mutex::default(), max_age, capacity }
    }

    /// What is known and young enough.
    pub(super) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let entries = self.lock();
        let entry = entries.get(key)?;
        // A clock that stepped back must not make an entry last.
        let trusted = now >= entry.since && now.since(entry.since) < self.max_age;
        trusted.then(|| entry.value.clone())
    }

    /// What is known, however old.
    pub(super) fn get_old(&self, key: &K) -> Option<V> {
        self.lock().get(key).map(|entry| entry.value.clone())
    }

    /// Remembers that this was so at `since`; the oldest entry makes room.
    pub(super) fn put(&self, key: K, value: V, since: Timestamp) {
        let mut entries = self.lock();
        if entries.len() >= self.capacity && !entries.contains_key(&key) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.since).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| entries.remove(&oldest));
        }
        entries.insert(key, Entry { value, since });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        // The map is whole after every statement, so a panic elsewhere while it was locked does not spoil it.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn an_entry_is_trusted_for_its_age_and_not_before_its_time() {
        let recent = Recent::new(Duration::from_secs(1), 10);
        recent.put("a", 1, at(10));
        assert_eq!(recent.get(&"a", at(10)), Some(1));
        assert_eq!(recent.get(&"a", at(11)), None);
        assert_eq!(recent.get(&"a", at(9)), None);
        assert_eq!(recent.get_old(&"a"), Some(1));
        assert_eq!(recent.get_old(&"b"), None);
    }

    #[test]
    fn the_oldest_entry_makes_room() {
        let recent = Recent::new(Duration::from_secs(100), 2);
        recent.put("a", 1, at(2));
        recent.put("b", 2, at(1));
        recent.put("a", 3, at(3));
        recent.put("c", 4, at(4));
        let known = ["a", "b", "c"].map(|key| recent.get(&key, at(5)));
        assert_eq!(known, [Some(3), None, Some(4)]);
    }
}
