//! What is held, what waits, and which writes are under way.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::time::{Clock, Timestamp};
use cogwire_store::delivery::{ClaimedLane, FinishedAttempt, LaneOutcome, OriginCursor};
use cogwire_store::handoff::{HeldLane, LaneInbox, Place};
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::alarm::Alarm;
use super::audit::Audit;
use super::gate::Gate;
use super::look::{Look, Looked};
use super::pending::Pending;
use crate::circuit::Circuits;
use crate::config::DeliveryConfig;
use crate::due::Due;
use crate::obstacle::Obstacle;
use crate::record::Recorder;
use crate::roster::{Bound, Roster};

/// The most lanes that are freed in one commit.
const RELEASE_BATCH: usize = 512;
/// How often it is said that nothing can be sent.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// The truth about this node's lanes; only the loop changes it.
pub(super) struct Desk {
    pub(super) config: DeliveryConfig,
    pub(super) clock: Arc<dyn Clock>,
    recorder: Recorder,
    pub(super) stopping: bool,
    /// Whether lanes are due in the store for which there is no room in memory.
    full: bool,
    /// Where the next claim goes on: the last one did not look at all origins.
    pub(super) rest: Option<OriginCursor>,
    pub(super) roster: Roster<Box<HeldLane>>,
    pub(super) circuits: Circuits,
    pub(super) gate: Gate,
    /// What else to look for, for origins that are down.
    pub(super) looks: VecDeque<Look>,
    /// Whether the last look was for whatever is due.
    pub(super) looked_for_due: bool,
    /// Lanes with something that is given up without a request.
    pub(super) too_old: Vec<(Box<HeldLane>, Timestamp)>,
    /// How many such are being given up.
    pub(super) giving_up: usize,
    /// Lanes that wait out a failure on this side, the longest-waiting first.
    paused: VecDeque<(Timestamp, Box<HeldLane>)>,
    complained_at: Option<Timestamp>,
    pub(super) due: Due,
    pub(super) alarm: Alarm,
    pub(super) claim: Pending<Place, Looked>,
    pub(super) record: Pending<(FinishedAttempt, Place), Vec<(LaneOutcome, Place)>>,
    pub(super) release: Pending<(PredictionId, u64), ()>,
    audit: Audit,
    pub(super) look: Pending<(), Vec<(PredictionId, u64)>>,
}

impl Bound for Box<HeldLane> {
    fn origin(&self) -> &str {
        &self.lane.origin
    }
}

impl Desk {
    pub(super) fn new(config: DeliveryConfig, parts: Parts, hard: CancellationToken) -> Self {
        let Parts { deliveries: store, clock, node, .. } = parts;
        let recorder =
            Recorder { store, clock: Arc::clone(&clock), node, pause: config.pause, give_up: hard };
        let due = Due::new(config.poll_interval, clock.now());
        Self {
            stopping: false,
            full: false,
            rest: None,
            roster: Roster::new(config.max_in_flight, config.per_origin),
            circuits: Circuits::new(config.max_age),
            gate: Gate::default(),
            looks: VecDeque::new(),
            looked_for_due: false,
            too_old: Vec::new(),
            giving_up: 0,
            paused: VecDeque::new(),
            complained_at: None,
            alarm: Alarm::new(Arc::clone(&clock), due.at(false)),
            due,
            claim: Pending::new(),
            record: Pending::new(),
            release: Pending::new(),
            audit: Audit::new(config.audit_interval, clock.now()),
            look: Pending::new(),
            config,
            clock,
            recorder,
        }
    }

    /// Whether nothing is held any more, after [`Desk::stop`].
    pub(super) fn is_over(&self) -> bool {
        self.stopping
            && self.roster.in_flight() == 0
            && self.giving_up == 0
            && self.claim.is_idle()
            && self.record.is_empty()
            && self.release.is_empty()
            && self.look.is_idle()
    }

    /// Begins nothing any more, and gives back what has not begun.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        let paused = std::mem::take(&mut self.paused).into_iter().map(|(_, held)| held);
        let too_old = std::mem::take(&mut self.too_old).into_iter().map(|(held, _)| held);
        for held in self.roster.drain().into_iter().chain(paused).chain(too_old) {
            self.give_back(&held.lane);
        }
    }

    /// Takes a lane that was handed over, unless it was given back while it was on its way.
    pub(super) fn arrived(&mut self, held: Box<HeldLane>) {
        if !self.has_disowned(&held.lane) {
            self.admit(held);
        }
    }

    /// Whether the lane was given back before anybody here saw it.
    pub(super) fn has_disowned(&mut self, lane: &ClaimedLane) -> bool {
        self.audit.has_disowned((lane.prediction, lane.lease_no))
    }

    /// Takes a lane that this node holds. One that cannot wait in memory goes back, and so does one whose origin is left alone.
    pub(super) fn admit(&mut self, held: Box<HeldLane>) {
        if self.stopping || self.circuits.is_off(&held.lane.origin) {
            return self.give_back(&held.lane);
        }
        if let Err(refused) = self.roster.admit(held) {
            self.give_back(&refused.lane);
        }
    }

    /// Frees the lane in the store, where its messages stay due.
    pub(super) fn give_back(&mut self, lane: &ClaimedLane) {
        self.release.push((lane.prediction, lane.lease_no));
    }

    /// Something may be due in the store at once.
    pub(super) fn announce_now(&mut self) {
        self.due.announce(self.clock.now());
    }

    /// Lets a lane wait out a failure on this side.
    pub(super) fn pause(&mut self, held: Box<HeldLane>, obstacle: &Obstacle) {
        if self.stopping {
            return self.give_back(&held.lane);
        }
        self.complain(obstacle);
        self.paused.push_back((self.clock.now() + self.config.pause, held));
    }

    /// What stops one lane nearly always stops all of them, again and again: it is said once in a while, not for each.
    fn complain(&mut self, obstacle: &Obstacle) {
        let now = self.clock.now();
        if self.complained_at.is_none_or(|last| now.since(last) >= COMPLAIN_EVERY) {
            self.complained_at = Some(now);
            let (waiting, source) = (self.paused.len() + 1, obstacle.source());
            tracing::warn!(%obstacle, source, waiting, "webhooks cannot be sent and are tried again shortly");
        }
    }

    /// Takes up the lanes that have waited long enough.
    pub(super) fn resume(&mut self) {
        let now = self.clock.now();
        // A pause that ends later than any pause may was begun before the clock was set back.
        let latest = now + self.config.pause;
        let over = |at: Timestamp| at <= now || at > latest;
        while self.paused.front().is_some_and(|(at, _)| over(*at)) {
            if let Some((_, held)) = self.paused.pop_front() {
                self.admit(held);
            }
        }
    }

    /// Goes on with lanes whose attempts have been recorded.
    pub(super) fn recorded(&mut self, outcomes: Vec<(LaneOutcome, Place)>) {
        for (outcome, place) in outcomes {
            match outcome {
                LaneOutcome::Continue(lane) if self.stopping || self.circuits.is_off(&lane.origin) => {
                    self.give_back(&lane);
                }
                LaneOutcome::Continue(lane) => {
                    self.roster.admit_first(Box::new(HeldLane::new(*lane, place)));
                }
                LaneOutcome::DueAt(at) => self.due.announce(at),
                LaneOutcome::Idle | LaneOutcome::Fenced => {}
            }
        }
    }

    /// Begins the writes for which something waits.
    pub(super) fn write(&mut self) {
        let recorder = &self.recorder;
        self.record.begin(self.config.finish_batch, |batch| record(recorder.clone(), batch));
        self.release.begin(RELEASE_BATCH, |lanes| {
            let recorder = recorder.clone();
            async move { recorder.release(lanes).await }
        });
    }

    /// Asks the store for lanes when it is time and there is room.
    pub(super) fn ask(&mut self, inbox: &LaneInbox) {
        let now = self.clock.now();
        if self.stopping || !self.claim.is_idle() || !self.wants_to_look(now) {
            return;
        }
        let mut places = inbox.reserve(self.config.claim_batch);
        self.full = places.is_empty();
        if self.full {
            return;
        }
        let Some(look) = self.next_look(now) else { return };
        places.truncate(look.most(self.config.claim_batch));
        places.into_iter().for_each(|place| self.claim.push(place));
        let (recorder, per_origin) = (self.recorder.clone(), self.config.claim_per_origin);
        self.claim.begin(self.config.claim_batch, |places| look.make(recorder, per_origin, now, places));
    }

    /// Asks from time to time which lanes the store takes this node to hold.
    pub(super) fn audit(&mut self) {
        if self.stopping || !self.look.is_idle() || !self.audit.is_due(self.clock.now()) {
            return;
        }
        self.look.push(());
        let recorder = self.recorder.clone();
        self.look.begin(1, |_| async move { recorder.held_lanes().await });
    }

    /// Gives back the lanes that this node holds without knowing.
    pub(super) fn audited(&mut self, held: Vec<(PredictionId, u64)>, inbox: &LaneInbox) {
        for (prediction_id, lease_no) in self.audit.astray(held, |id| inbox.holds(id)) {
            tracing::warn!(%prediction_id, lease_no, "a lane was held without anybody knowing; it is given back");
            self.release.push((prediction_id, lease_no));
            self.announce_now();
        }
    }

    /// Wakes the loop for what is due next. Whatever else it waits for wakes it by itself: so does a claim that is under way,
    /// and so do, nearly always, the lanes that take up all the room.
    pub(super) fn set_alarm(&mut self) {
        let fallback = self.clock.now() + self.config.poll_interval;
        let waits = self.stopping || self.full || !self.claim.is_idle();
        let claim_at = if waits { fallback } else { self.look_at().min(fallback) };
        let resume_at = self.paused.front().map(|(at, _)| *at);
        self.alarm.set(resume_at.map_or(claim_at, |at| at.min(claim_at)));
    }
}

async fn record(recorder: Recorder, batch: Vec<(FinishedAttempt, Place)>) -> Vec<(LaneOutcome, Place)> {
    let (finished, places): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    recorder.finish(finished.into()).await.into_iter().zip(places).collect()
}
