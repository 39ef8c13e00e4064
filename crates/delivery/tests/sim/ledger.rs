//! What receivers saw, what the store was told, and every promise that was broken thereby.
//!
//! The judge of the simulation: it knows nothing of how delivery works, and takes note of everything at the moment when it
//! happens. Its own tests show that it notices each kind of breach.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_store::delivery::{FinishedAttempt, LaneOutcome, Verdict};

/// How many requests of one kind may be open at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) in_all: usize,
    pub(crate) per_origin: usize,
}

/// A request as it reaches its receiver.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) node: String,
    pub(crate) id: DeliveryId,
    pub(crate) event: WebhookEvent,
    pub(crate) body: Bytes,
    /// When the sender gives it up.
    pub(crate) deadline: Duration,
    /// How long the sender's lease lasts in the store.
    pub(crate) lease_until: Duration,
}

/// How often the interesting things happened: a simulation in which they do not shows nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) delivered: u64,
    pub(crate) exhausted: u64,
    pub(crate) too_old: u64,
    pub(crate) repeated: u64,
    pub(crate) fenced: u64,
    pub(crate) answers_lost: u64,
    pub(crate) lanes_taken_over: u64,
    pub(crate) leases_lost: u64,
    pub(crate) cut_off: u64,
    pub(crate) resent: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.fields().into_iter().zip(other.clone().fields()).for_each(|(sum, more)| *sum += *more);
    }

    pub(crate) fn has_everything(mut self) -> bool {
        self.fields().into_iter().all(|count| *count > 0)
    }

    fn fields(&mut self) -> [&mut u64; 11] {
        let Self {
            requests,
            delivered,
            exhausted,
            too_old,
            repeated,
            fenced,
            answers_lost,
            lanes_taken_over,
            leases_lost,
            cut_off,
            resent,
        } = self;
        [
            requests,
            delivered,
            exhausted,
            too_old,
            repeated,
            fenced,
            answers_lost,
            lanes_taken_over,
            leases_lost,
            cut_off,
            resent,
        ]
    }
}

/// Shared by everything in the simulation.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

struct Book {
    bounds: Bounds,
    messages: HashMap<DeliveryId, Seen>,
    lanes: HashMap<PredictionId, LaneSeen>,
    /// Attempts that the store has recorded; it may be asked again when its answer was lost.
    recorded: HashSet<(DeliveryId, Timestamp)>,
    /// Requests of each node to each origin, from their beginning to their end.
    open: BTreeMap<(String, String), usize>,
    tally: Tally,
    trace: Vec<String>,
    broken: Vec<String>,
}

/// One message.
#[derive(Default)]
struct Seen {
    body: Option<Bytes>,
    /// Requests that its receiver got.
    arrived: u32,
    /// Attempts that ended with an answer or an error, since it was owed (again).
    ended: u32,
    accepted: bool,
    /// Whether the store knows that it was accepted.
    done: bool,
}

/// The messages of one prediction.
#[derive(Default)]
struct LaneSeen {
    last_seq: u32,
    /// Whether the last one was final.
    is_over: bool,
    /// The request that is with the receiver, and when its sender gives it up.
    open: Option<(DeliveryId, Duration)>,
    /// The final message, as it was committed.
    promised: Option<Bytes>,
    /// Whether a message about the beginning was owed.
    start_promised: bool,
}

impl Ledger {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Book {
            bounds,
            messages: HashMap::new(),
            lanes: HashMap::new(),
            recorded: HashSet::new(),
            open: BTreeMap::new(),
            tally: Tally::default(),
            trace: Vec::new(),
            broken: Vec::new(),
        })))
    }

    /// An end was committed, and its message is owed.
    pub(crate) fn promised(&self, prediction: PredictionId, body: Bytes) {
        self.lock().lanes.entry(prediction).or_default().promised = Some(body);
    }

    /// A beginning was committed, and its message is owed.
    pub(crate) fn start_promised(&self, prediction: PredictionId) {
        self.lock().lanes.entry(prediction).or_default().start_promised = true;
    }

    /// Whether a beginning was owed.
    pub(crate) fn owes_start(&self, prediction: PredictionId) -> bool {
        self.lock().lanes.get(&prediction).is_some_and(|lane| lane.start_promised)
    }

    /// Somebody asked for a message to be sent again.
    pub(crate) fn owed_again(&self, id: DeliveryId) {
        let mut book = self.lock();
        book.tally.resent += 1;
        let seen = book.messages.entry(id).or_default();
        (seen.ended, seen.done) = (0, false);
    }

    /// A node begins an attempt.
    pub(crate) fn begins(&self, node: &str, origin: &str) {
        let mut book = self.lock();
        *book.open.entry((node.to_owned(), origin.to_owned())).or_default() += 1;
        let of_node = |(key, count): (&(String, String), &usize)| if key.0 == node { *count } else { 0 };
        let in_all: usize = book.open.iter().map(of_node).sum();
        let of_origin = book.open[&(node.to_owned(), origin.to_owned())];
        let bounds = book.bounds;
        book.require(in_all <= bounds.in_all, || format!("{node} makes {in_all} requests at once"));
        book.require(of_origin <= bounds.per_origin, || {
            format!("{node} makes {of_origin} requests to {origin} at once")
        });
    }

    /// The attempt is over, or was dropped.
    pub(crate) fn ends(&self, node: &str, origin: &str) {
        *self.lock().open.entry((node.to_owned(), origin.to_owned())).or_default() -= 1;
    }

    /// An attempt at a message ended with an answer or an error.
    pub(crate) fn ended(&self, id: DeliveryId) {
        self.lock().messages.entry(id).or_default().ended += 1;
    }

    /// A request reaches its receiver.
    pub(crate) fn arrives(&self, now: Duration, arrival: &Arrival) {
        let mut book = self.lock();
        book.tally.requests += 1;
        book.note(now, &format!("{} {} {} begins", arrival.node, arrival.id, arrival.event));
        book.check_node(now, arrival);
        book.check_message(arrival);
        book.check_order(now, arrival);
    }

    /// The receiver has taken or refused it, or lost its connection.
    pub(crate) fn answered(&self, now: Duration, id: DeliveryId, result: &str, accepted: bool) {
        let mut book = self.lock();
        book.note(now, &format!("{id} {result}"));
        book.messages.entry(id).or_default().accepted |= accepted;
        let lane = book.lanes.entry(id.prediction).or_default();
        if lane.open.is_some_and(|(open, _)| open == id) {
            lane.open = None;
        }
    }

    /// The store has recorded attempts.
    pub(crate) fn recorded(&self, now: Duration, finished: &[FinishedAttempt], outcomes: &[LaneOutcome]) {
        let mut book = self.lock();
        for (finished, outcome) in finished.iter().zip(outcomes) {
            let (id, is_fenced) = (finished.delivery, matches!(outcome, LaneOutcome::Fenced));
            let verdict = if is_fenced { "fenced".to_owned() } else { format!("{:?}", finished.verdict) };
            book.note(now, &format!("{} {id} recorded: {verdict}", finished.node));
            book.tally.fenced += u64::from(is_fenced);
            let is_new = book.recorded.insert((id, finished.attempt.started_at));
            if is_new && finished.verdict == Verdict::Delivered {
                let seen = book.messages.entry(id).or_default();
                seen.done |= !is_fenced;
                let accepted = seen.accepted;
                book.require(accepted, || format!("{id} is recorded as delivered, and nobody took it"));
            }
        }
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.lock().tally);
    }

    pub(crate) fn note(&self, now: Duration, what: &str) {
        self.lock().note(now, what);
    }

    /// A promise that was checked elsewhere.
    pub(crate) fn require(&self, holds: bool, what: impl FnOnce() -> String) {
        self.lock().require(holds, what);
    }

    /// The final messages that were promised.
    pub(crate) fn all_promised(&self) -> Vec<(PredictionId, Bytes)> {
        let book = self.lock();
        let promised = book.lanes.iter().filter_map(|(id, lane)| Some((*id, lane.promised.clone()?)));
        let mut promised: Vec<_> = promised.collect();
        promised.sort_by_key(|(id, _)| *id);
        promised
    }

    /// Whether a message was accepted, and how many attempts at it have ended since it was owed.
    pub(crate) fn fate_of(&self, id: DeliveryId) -> (bool, u32) {
        self.lock().messages.get(&id).map_or((false, 0), |seen| (seen.accepted, seen.ended))
    }

    pub(crate) fn tally(&self) -> Tally {
        self.lock().tally
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.lock().trace.clone()
    }

    pub(crate) fn broken(&self) -> Vec<String> {
        self.lock().broken.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}

impl Book {
    fn note(&mut self, now: Duration, what: &str) {
        self.trace.push(format!("{:>12.6} {what}", now.as_secs_f64()));
    }

    fn require(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }

    fn check_node(&mut self, now: Duration, arrival: &Arrival) {
        let Arrival { node, id, deadline, lease_until, .. } = arrival;
        self.require(now <= *lease_until, || format!("{node} sends {id} after its lease"));
        self.require(deadline <= lease_until, || format!("{node} may send {id} for longer than its lease"));
    }

    fn check_message(&mut self, arrival: &Arrival) {
        let (id, is_final) = (arrival.id, arrival.event == WebhookEvent::Completed);
        let promised = self.lanes.get(&id.prediction).and_then(|lane| lane.promised.clone());
        let seen = self.messages.entry(id).or_default();
        let same = seen.body.get_or_insert_with(|| arrival.body.clone()) == &arrival.body;
        seen.arrived += 1;
        let (arrived, done) = (seen.arrived, seen.done);
        self.tally.repeated += u64::from(arrived > 1);
        self.require(same, || format!("{id} has two bodies"));
        self.require(is_final || arrived == 1, || format!("{id} is sent {arrived} times, and is not final"));
        self.require(!done, || format!("{id} is sent again after its success was recorded"));
        self.require(!is_final || promised.as_ref() == Some(&arrival.body), || {
            format!("{id} is not the end that was committed")
        });
    }

    fn check_order(&mut self, now: Duration, arrival: &Arrival) {
        let (id, is_final) = (arrival.id, arrival.event == WebhookEvent::Completed);
        let lane = self.lanes.entry(id.prediction).or_default();
        let (last_seq, was_over) = (lane.last_seq, lane.is_over);
        let open = lane.open.filter(|(_, deadline)| now < *deadline);
        (lane.last_seq, lane.is_over) = (id.seq.max(last_seq), was_over || is_final);
        lane.open = Some((id, arrival.deadline));
        self.require(open.is_none(), || format!("{id} begins while {open:?} is under way"));
        self.require(id.seq >= last_seq, || format!("{id} begins after message {last_seq}"));
        self.require(is_final || !was_over, || format!("{id} begins after the final message"));
        self.require(!was_over || id.seq == last_seq, || format!("{id} is a second final message"));
    }
}
