//! Who waits for which prediction, and how far each prediction is durable.
//!
//! The hub carries no data: it says "durable up to n" after a commit, and whoever waits reads what is committed. A signal
//! may be lost (another node may have made the commit), so every reader also polls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cogwire_core::id::PredictionId;
use tokio::sync::watch;

/// How far a prediction is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durable {
    /// The number after its last durable event.
    pub events: u64,
    /// Whether it has ended.
    pub ended: bool,
}

/// The signals of one node.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    waiting: Arc<Mutex<HashMap<PredictionId, Waiting>>>,
    /// How many ends there were, whoever waited for them.
    ends: watch::Sender<u64>,
}

/// The listeners of one prediction.
#[derive(Debug, Default)]
struct Waiting {
    signal: watch::Sender<Durable>,
    /// Counted here, under the lock: receivers count themselves at moments of their own.
    listeners: usize,
}

/// Interest in one prediction; dropping it ends the interest.
#[derive(Debug)]
pub struct Subscription {
    id: PredictionId,
    hub: Hub,
    signal: watch::Receiver<Durable>,
}

impl Hub {
    /// Begins to listen. Subscribe first and read the store afterwards: the other way round loses what happens in between.
    pub fn subscribe(&self, id: PredictionId) -> Subscription {
        let mut waiting = self.lock();
        let entry = waiting.entry(id).or_default();
        entry.listeners += 1;
        let signal = entry.signal.subscribe();
        drop(waiting);
        Subscription { id, hub: self.clone(), signal }
    }

    /// Begins to listen for ends of any prediction.
    pub fn ends(&self) -> watch::Receiver<u64> {
        self.ends.subscribe()
    }

    /// Tells whoever waits for `id`, and for any end. Without a listener nothing happens.
    pub fn publish(&self, id: PredictionId, durable: Durable) {
        if durable.ended {
            self.ends.send_modify(|ends| *ends = ends.wrapping_add(1));
        }
        if let Some(waiting) = self.lock().get(&id) {
            waiting.signal.send_replace(durable);
        }
    }

    /// Wakes everybody: what they wait for may have happened without a signal.
    pub fn wake_all(&self) {
        self.lock().values().for_each(|waiting| waiting.signal.send_modify(|_| {}));
        self.ends.send_modify(|_| {});
    }

    /// How many predictions somebody waits for.
    #[cfg(test)]
    fn listeners(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PredictionId, Waiting>> {
        // The map is whole after every statement, so a panic elsewhere while it was locked does not spoil it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The prediction.
    pub fn id(&self) -> PredictionId {
        self.id
    }

    /// Waits for the next signal, or returns at once when one came since the last call.
    pub async fn changed(&mut self) -> Durable {
        // The sender lives in the hub's map for as long as this subscription does.
        let _ = self.signal.changed().await;
        *self.signal.borrow_and_update()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut waiting = self.hub.lock();
        let Some(entry) = waiting.get_mut(&self.id) else { return };
        entry.listeners -= 1;
        if entry.listeners == 0 {
            waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use cogwire_core::time::Timestamp;

    use super::*;

    #[tokio::test]
    async fn a_signal_before_the_wait_is_not_lost() {
        let hub = Hub::default();
        let id = PredictionId::new(Timestamp::from_micros(1), 1);
        let mut subscription = hub.subscribe(id);
        hub.publish(id, Durable { events: 3, ended: true });
        assert_eq!(subscription.changed().await, Durable { events: 3, ended: true });
    }

    #[test]
    fn ends_are_told_to_whoever_waits_for_any() {
        let hub = Hub::default();
        let id = PredictionId::new(Timestamp::from_micros(1), 1);
        let ends = hub.ends();
        hub.publish(id, Durable { events: 3, ended: false });
        assert!(!ends.has_changed().expect("the hub is there"));
        hub.publish(id, Durable { events: 4, ended: true });
        assert!(ends.has_changed().expect("the hub is there"));
    }

    #[test]
    fn the_last_listener_cleans_up() {
        let hub = Hub::default();
        let id = PredictionId::new(Timestamp::from_micros(1), 1);
        let (first, second) = (hub.subscribe(id), hub.subscribe(id));
        drop(first);
        assert_eq!(hub.listeners(), 1);
        drop(second);
        assert_eq!(hub.listeners(), 0);
    }
}
