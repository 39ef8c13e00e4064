//! From a commit straight to the sender: lanes that the same commit claimed for this node, without asking the store again.
//!
//! Owns the bound on lanes that are held in memory. A [`Place`] is taken before the commit that claims a lane and is given
//! back when the lane leaves memory, so a lane that was claimed always has room. Knows nothing of SQL or HTTP; the two
//! sides do not know each other.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use cogwire_core::id::PredictionId;
use cogwire_core::time::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::delivery::ClaimedLane;
use crate::lease::{NodeLease, Term};

/// No wake-up is asked for.
const NEVER: i64 = i64::MAX;

/// The part of the room that only [`LaneInbox::reserve`] gives out: one in this many. Without it, new lanes would take all
/// the room under load, and those that wait in the store would never get any.
const KEPT: usize = 4;

/// Makes both ends. At most `capacity` lanes are in memory at once; what they are held by is `lease`.
pub fn channel(capacity: usize, lease: Arc<NodeLease>) -> (Handoff, LaneInbox) {
    // The channel has no bound of its own: whoever sends holds a place, and there are `capacity` of them.
    let (sender, lanes) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        room: Arc::new(Semaphore::new(capacity)),
        kept: capacity / KEPT,
        wake_at: AtomicI64::new(NEVER),
        woken: Notify::new(),
        crowded: RwLock::default(),
        lease,
        held: Mutex::default(),
    });
    (Handoff { sender, shared: Arc::clone(&shared) }, LaneInbox { lanes, shared })
}

/// The end of whoever commits.
#[derive(Debug, Clone)]
pub struct Handoff {
    sender: mpsc::UnboundedSender<HeldLane>,
    shared: Arc<Shared>,
}

/// Room for one lane, to be asked for before the commit that may claim it. Dropping it gives the room back.
#[derive(Debug)]
pub struct HandoffPermit {
    sender: mpsc::UnboundedSender<HeldLane>,
    place: Place,
}

/// The end of whoever sends.
#[derive(Debug)]
pub struct LaneInbox {
    lanes: mpsc::UnboundedReceiver<HeldLane>,
    shared: Arc<Shared>,
}

/// A lane in memory, and the room that it takes up.
#[derive(Debug)]
pub struct HeldLane {
    /// The lane.
    pub lane: ClaimedLane,
    /// Its room.
    pub place: Place,
}

/// Room for one lane. Dropping it gives the room back.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    term: Term,
    lane: Option<PredictionId>,
    _room: OwnedSemaphorePermit,
}

/// What arrives at the sender's end.
#[derive(Debug)]
pub enum Arrival {
    /// A lane that this node holds already.
    Lane(Box<HeldLane>),
    /// A free lane of the store is due then.
    WakeAt(Timestamp),
}

#[derive(Debug)]
struct Shared {
    room: Arc<Semaphore>,
    kept: usize,
    wake_at: AtomicI64,
    woken: Notify,
    crowded: RwLock<HashSet<Arc<str>>>,
    lease: Arc<NodeLease>,
    /// How many places each lane in memory has: for a moment that may be two, when it leaves and comes back.
    held: Mutex<HashMap<PredictionId, usize>>,
}

impl Handoff {
    /// Room for one more lane of this origin. `None` when there is none, many lanes of the origin wait already, or the sender
    /// is stopping: commit without claiming the lane then.
    pub fn try_reserve(&self, origin: &str) -> Option<HandoffPermit> {
        if self.shared.room.available_permits() <= self.shared.kept || self.shared.is_crowded(origin) {
            return None;
        }
        let place = self.shared.try_place()?;
        Some(HandoffPermit { sender: self.sender.clone(), place })
    }

    /// Says that a free lane of the store is due `at`. Several calls come down to the earliest one.
    pub fn wake_at(&self, at: Timestamp) {
        if self.shared.wake_at.fetch_min(at.as_micros(), Ordering::AcqRel) > at.as_micros() {
            self.shared.woken.notify_one();
        }
    }
}

impl HandoffPermit {
    /// Hands the lane over. A lane that comes after its receiver has gone stays held by the node until the node retires.
    pub fn send(self, lane: ClaimedLane) {
        let _ = self.sender.send(HeldLane::new(lane, self.place));
    }
}

impl HeldLane {
    /// Puts the lane in its place.
    pub fn new(lane: ClaimedLane, mut place: Place) -> Self {
        place.take(lane.prediction);
        Self { lane, place }
    }
}

impl Place {
    /// The term in which room was made for the lane, which was before the lane was claimed.
    pub fn term(&self) -> Term {
        self.term
    }

    fn take(&mut self, lane: PredictionId) {
        if self.lane.is_none() {
            self.lane = Some(lane);
            *self.shared.lock_held().entry(lane).or_default() += 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(lane) = self.lane else { return };
        let mut held = self.shared.lock_held();
        let places = held.get_mut(&lane).map_or(0, |places| {
            *places -= 1;
            *places
        });
        if places == 0 {
            held.remove(&lane);
        }
    }
}

impl LaneInbox {
    /// The next arrival; `None` when every [`Handoff`] and permit is gone. Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Arrival> {
        // Lanes first: there are only so many, and a wake-up that comes later is answered just as well.
        tokio::select! {
            biased;
            lane = self.lanes.recv() => lane.map(|lane| Arrival::Lane(Box::new(lane))),
            () = self.shared.woken.notified() => Some(Arrival::WakeAt(self.shared.take_wake_at())),
        }
    }

    /// A lane that is there already, without waiting.
    pub fn try_recv(&mut self) -> Option<HeldLane> {
        self.lanes.try_recv().ok()
    }

    /// At most `limit` places, for lanes that are claimed from the store.
    pub fn reserve(&self, limit: usize) -> Vec<Place> {
        std::iter::from_fn(|| self.shared.try_place()).take(limit).collect()
    }

    /// Whether this lane is in memory.
    pub fn holds(&self, lane: PredictionId) -> bool {
        self.shared.lock_held().contains_key(&lane)
    }

    /// Says whether so many lanes of this origin wait that further ones should stay in the store.
    pub fn set_crowded(&self, origin: &Arc<str>, crowded: bool) {
        let mut origins = self.shared.crowded.write().unwrap_or_else(PoisonError::into_inner);
        if crowded {
            origins.insert(Arc::clone(origin));
        } else {
            origins.remove(origin);
        }
    }

    /// Gives out no room any more. Lanes for which there is room already may still arrive.
    pub fn close(&self) {
        self.shared.room.close();
    }
}

impl Shared {
    fn try_place(self: &Arc<Self>) -> Option<Place> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        Some(Place { shared: Arc::clone(self), term: self.lease.term(), lane: None, _room: room })
    }

    fn lock_held(&self) -> MutexGuard<'_, HashMap<PredictionId, usize>> {
        // The map is whole after every statement, so a panic elsewhere while it was locked does not spoil it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_crowded(&self, origin: &str) -> bool {
        self.crowded.read().unwrap_or_else(PoisonError::into_inner).contains(origin)
    }

    fn take_wake_at(&self) -> Timestamp {
        Timestamp::from_micros(self.wake_at.swap(NEVER, Ordering::AcqRel))
    }
}

#[cfg(test)]
mod tests {
    use cogwire_core::id::PredictionId;
    use cogwire_core::prediction::AccountId;
    use cogwire_core::webhook::options::WebhookOptions;
    use cogwire_core::webhook::pacing::Lane;

    use super::*;

    const ORIGIN: &str = "https://example.com";

    fn lane(number: u128) -> ClaimedLane {
        ClaimedLane {
            prediction: PredictionId::new(Timestamp::from_micros(1), number),
            account: AccountId("a".into()),
            url: "https://example.com/".to_owned(),
            origin: ORIGIN.to_owned(),
            lease_no: 1,
            options: WebhookOptions::default(),
            lane: Lane::default(),
            final_body: None,
        }
    }

    fn open(capacity: usize) -> (Handoff, LaneInbox) {
        channel(capacity, Arc::new(NodeLease::endless()))
    }

    #[tokio::test]
    async fn a_lane_is_known_while_it_is_in_memory() {
        let (handoff, mut inbox) = open(4);
        let id = lane(1).prediction;
        for _ in 0..2 {
            handoff.try_reserve(ORIGIN).expect("there is room").send(lane(1));
        }
        let (first, second) = (inbox.try_recv(), inbox.try_recv());
        assert!(inbox.holds(id));
        drop(first);
        assert!(inbox.holds(id), "it came back before it had left");
        drop(second);
        assert!(!inbox.holds(id));
    }

    #[test]
    fn a_place_knows_the_term_in_which_it_was_made() {
        let lease = Arc::new(NodeLease::ended());
        let (_handoff, inbox) = channel(2, Arc::clone(&lease));
        let old = inbox.reserve(1).remove(0);
        lease.begin_term();
        assert_ne!(old.term(), lease.term());
        assert_eq!(inbox.reserve(1).remove(0).term(), lease.term());
    }

    #[tokio::test]
    async fn a_lane_keeps_its_room_until_it_is_dropped() {
        let (handoff, mut inbox) = open(1);
        let permit = handoff.try_reserve(ORIGIN).expect("the first fits");
        assert!(handoff.try_reserve(ORIGIN).is_none());
        permit.send(lane(1));
        let Some(Arrival::Lane(held)) = inbox.recv().await else { panic!("a lane was sent") };
        assert!(handoff.try_reserve(ORIGIN).is_none());
        drop(held);
        assert!(handoff.try_reserve(ORIGIN).is_some());
    }

    #[tokio::test]
    async fn wake_ups_come_down_to_the_earliest() {
        let (handoff, mut inbox) = open(1);
        for micros in [50, 20, 70] {
            handoff.wake_at(Timestamp::from_micros(micros));
        }
        let Some(Arrival::WakeAt(at)) = inbox.recv().await else { panic!("a wake-up was sent") };
        assert_eq!(at, Timestamp::from_micros(20));
        handoff.wake_at(Timestamp::from_micros(90));
        let Some(Arrival::WakeAt(at)) = inbox.recv().await else { panic!("a later one counts anew") };
        assert_eq!(at, Timestamp::from_micros(90));
    }

    #[tokio::test]
    async fn a_closed_inbox_takes_what_was_promised_and_no_more() {
        let (handoff, mut inbox) = open(8);
        let permit = handoff.try_reserve(ORIGIN).expect("there is room");
        inbox.close();
        assert!(handoff.try_reserve(ORIGIN).is_none());
        assert!(inbox.reserve(3).is_empty());
        permit.send(lane(2));
        assert!(inbox.try_recv().is_some());
    }

    #[test]
    fn a_crowded_origin_gets_no_room_and_others_do() {
        let (handoff, inbox) = open(8);
        inbox.set_crowded(&ORIGIN.into(), true);
        assert!(handoff.try_reserve(ORIGIN).is_none());
        assert!(handoff.try_reserve("https://example.org").is_some());
        inbox.set_crowded(&ORIGIN.into(), false);
        assert!(handoff.try_reserve(ORIGIN).is_some());
    }

    #[test]
    fn lanes_that_wait_in_the_store_always_get_some_room() {
        let (handoff, inbox) = open(8);
        let permits: Vec<_> = std::iter::from_fn(|| handoff.try_reserve(ORIGIN)).collect();
        assert_eq!((permits.len(), inbox.reserve(8).len()), (6, 2));
    }

    #[test]
    fn places_are_given_out_up_to_the_bound() {
        let (_handoff, inbox) = open(5);
        let three = inbox.reserve(3);
        assert_eq!((three.len(), inbox.reserve(9).len()), (3, 2));
    }
}
