//! The desk's side of origins: what follows when one is down, answers again, or is crowded.

use std::sync::Arc;

use cogwire_core::time::Timestamp;
use cogwire_store::handoff::{HeldLane, LaneInbox};

use super::desk::Desk;
use crate::circuit::Change;
use crate::health::Health;
use crate::metrics;
use crate::verdict::Errand;

impl Desk {
    /// Why a lane of this origin has its turn. While the origin is down, only its probes have one.
    pub(super) fn errand(&self, origin: &str) -> Errand {
        self.circuits.probe(origin).map_or(Errand::Send, Errand::Probe)
    }

    /// A step of a lane is over.
    pub(super) fn ended(&mut self, origin: &Arc<str>, errand: Errand, health: Health) {
        match errand {
            Errand::GiveUp(_) => self.giving_up -= 1,
            Errand::Send | Errand::Probe(_) => {
                let (now, is_probe) = (self.clock.now(), matches!(errand, Errand::Probe(_)));
                self.roster.ended(origin, health, now);
                self.circuits.ended(origin, is_probe, health, now);
            }
        }
    }

    /// The lanes with something that is given up now, and since when their origins are down.
    pub(super) fn take_too_old(&mut self) -> Vec<(Box<HeldLane>, Timestamp)> {
        self.giving_up += self.too_old.len();
        std::mem::take(&mut self.too_old)
    }

    /// Acts upon what has changed for origins: lanes of one that is left alone go back to the store, where the next ones stay.
    pub(super) fn follow_origins(&mut self, inbox: &LaneInbox) {
        self.circuits.tick(self.clock.now());
        let changes = self.circuits.take_changes();
        if !changes.is_empty() {
            metrics::circuits_open(self.circuits.open_count());
        }
        for (origin, change) in changes {
            self.follow(&origin, change);
            self.set_gate(&origin, inbox);
        }
        let crowded: Vec<_> = self.roster.take_crowding_changes().map(|(origin, _)| origin).collect();
        crowded.iter().for_each(|origin| self.set_gate(origin, inbox));
    }

    fn follow(&mut self, origin: &Arc<str>, change: Change) {
        let given_back = if self.circuits.is_off(origin) { self.empty(origin) } else { 0 };
        match change {
            Change::Opened(since) => opened(origin, since, given_back),
            Change::Closed(since) => {
                tracing::info!(%origin, %since, "a receiver of webhooks that was down answers again; what waits is sent");
            }
            Change::Forgotten => {
                tracing::info!(%origin, "no webhook waits any more for a receiver that is down");
            }
            Change::Rests => {
                tracing::debug!(%origin, "a receiver of webhooks asked to be left alone for a while");
            }
            Change::Rested => {}
        }
    }

    /// Gives back what waits for this origin, and says how much it was.
    fn empty(&mut self, origin: &Arc<str>) -> usize {
        let waiting = self.roster.drain_origin(origin);
        waiting.iter().for_each(|held| self.give_back(&held.lane));
        waiting.len()
    }

    fn set_gate(&mut self, origin: &Arc<str>, inbox: &LaneInbox) {
        let shut = self.circuits.is_off(origin) || self.roster.is_crowded(origin);
        if self.gate.set(origin, shut, inbox) {
            self.announce_now();
        }
    }
}

fn opened(origin: &str, since: Timestamp, waiting: usize) {
    tracing::warn!(
        origin, %since, waiting,
        "a receiver of webhooks is down: its messages wait and spend no attempts; it is tried every 5 s, later every minute"
    );
}
