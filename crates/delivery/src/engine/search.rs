//! The desk's side of looking for lanes: what to look for next, and what to do with what was found.

use std::sync::Arc;

use cogwire_core::time::Timestamp;
use cogwire_store::delivery::{ClaimedLane, LaneClaims};
use cogwire_store::handoff::{HeldLane, Place};

use super::desk::Desk;
use super::look::{Look, Looked, waits_since};
use crate::circuit::TooOld;

impl Desk {
    /// Whether there is anything to look for now.
    pub(super) fn wants_to_look(&self, now: Timestamp) -> bool {
        self.is_time_for_due(now) || self.circuits.is_ready() || !self.looks.is_empty()
    }

    /// When to look again, unless something happens before.
    pub(super) fn look_at(&self) -> Timestamp {
        let due_at = self.due.at(self.roster.is_overcrowded());
        self.circuits.next_at(self.clock.now()).map_or(due_at, |at| at.min(due_at))
    }

    /// What to look for now. Looks for whatever is due take turns with those for origins that are down.
    pub(super) fn next_look(&mut self, now: Timestamp) -> Option<Look> {
        let is_time = self.is_time_for_due(now);
        let down = if is_time && !self.looked_for_due { None } else { self.next_down(now) };
        self.looked_for_due = down.is_none();
        if down.is_some() || !is_time {
            return down;
        }
        let after = self.rest.take();
        match &after {
            Some(_) => self.due.asked_on(now),
            None => self.due.asked(now),
        }
        Some(Look::Due { skip: self.gate.shut(), after })
    }

    fn is_time_for_due(&self, now: Timestamp) -> bool {
        let crowded = self.roster.is_overcrowded();
        self.due.is_now(crowded, now) || (self.rest.is_some() && !crowded)
    }

    fn next_down(&mut self, now: Timestamp) -> Option<Look> {
        self.looks.pop_front().or_else(|| {
            let origin = self.circuits.next_ready()?;
            let too_old = self.circuits.too_old(&origin, now);
            Some(too_old.map_or_else(
                || Look::Probe(Arc::clone(&origin)),
                |old| Look::TooOld(Arc::clone(&origin), old),
            ))
        })
    }

    /// Takes what a look has found.
    pub(super) fn looked(&mut self, looked: Looked) {
        let Looked { look, places, claims } = looked;
        let mut claims = match claims {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(%error, "could not look for webhooks that are due");
                return self.could_not_look(&look);
            }
        };
        claims.lanes.retain(|lane| !self.has_disowned(lane));
        match look {
            Look::Due { .. } => self.found_due(claims, places),
            Look::Probe(origin) => self.found_to_probe(&origin, claims, places),
            Look::TooOld(origin, too_old) => self.found_too_old(origin, too_old, claims, places),
        }
    }

    fn could_not_look(&mut self, look: &Look) {
        if let Look::Probe(origin) | Look::TooOld(origin, _) = look {
            self.circuits.try_soon(origin, self.clock.now());
        }
    }

    fn found_due(&mut self, claims: LaneClaims, places: Vec<Place>) {
        self.rest = claims.rest;
        if self.rest.is_none() {
            claims.next_due.into_iter().for_each(|at| self.due.announce(at));
        }
        held(claims.lanes, places).for_each(|held| self.admit(held));
    }

    /// What has become too old in the meantime is not sent, and another message is looked for.
    fn found_to_probe(&mut self, origin: &Arc<str>, claims: LaneClaims, places: Vec<Place>) {
        let now = self.clock.now();
        let too_old = self.circuits.too_old(origin, now);
        let Some(held) = held(claims.lanes, places).next() else {
            return self.circuits.found_nothing(origin, now);
        };
        let since = waits_since(&held.lane);
        match too_old.filter(|old| since.is_some_and(|since| since <= old.due_before)) {
            Some(old) => {
                self.give_up(held, old);
                self.looks.push_back(Look::Probe(Arc::clone(origin)));
            }
            None if self.stopping || self.circuits.probe(origin).is_none() => self.admit(held),
            None => self.roster.admit_first(held),
        }
    }

    /// A whole batch of them may not be all.
    fn found_too_old(&mut self, origin: Arc<str>, old: TooOld, claims: LaneClaims, places: Vec<Place>) {
        let is_all = claims.lanes.len() < places.len();
        held(claims.lanes, places).for_each(|held| self.give_up(held, old));
        self.looks.push_back(if is_all { Look::Probe(origin) } else { Look::TooOld(origin, old) });
    }

    fn give_up(&mut self, held: Box<HeldLane>, old: TooOld) {
        if self.stopping || !self.circuits.is_off(&held.lane.origin) {
            return self.admit(held);
        }
        self.too_old.push((held, old.down_since));
    }
}

fn held(lanes: Vec<ClaimedLane>, places: Vec<Place>) -> impl Iterator<Item = Box<HeldLane>> {
    lanes.into_iter().zip(places).map(|(lane, place)| Box::new(HeldLane::new(lane, place)))
}
