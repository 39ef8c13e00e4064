//! Looking at every promise, once nothing is owed any more.

use bytes::Bytes;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::time::Clock;
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::schedule::Schedule;
use cogwire_store::DeliveryStore;
use cogwire_store::delivery::{Attempt, DeliveryState};

use super::World;
use crate::time::wait;

impl World {
    pub(super) fn look_at_every_promise(&self) {
        for (prediction, body) in self.around.ledger.all_promised() {
            self.look_at(prediction, &body);
        }
    }

    fn look_at(&self, prediction: PredictionId, body: &Bytes) {
        let ledger = &self.around.ledger;
        let (id, state) = self.final_of(prediction);
        let (accepted, ended) = ledger.fate_of(id);
        let (stored, log) = wait(self.around.store.delivery(id)).expect("readable").expect("it is there");
        // Not always the last one: a sender that lost its lease may record what it sent later.
        let of_age = log.iter().any(|attempt| attempt.class == "origin-down");
        ledger.require(stored.body.as_ref() == Some(body), || {
            format!("the body of {id} is not what was committed")
        });
        ledger.require(!log.is_empty(), || format!("no attempt at {id} is recorded"));
        match state {
            DeliveryState::Delivered => ledger.require(accepted, || format!("nobody took {id}")),
            DeliveryState::Exhausted => {
                let has_reason = of_age || self.is_gone(&log) || ended >= self.tries();
                ledger.require(has_reason, || format!("{id} was given up after {ended} attempts"));
            }
            other => ledger.require(false, || format!("{id} is {other} in the end")),
        }
        ledger.count(|tally| match state {
            DeliveryState::Delivered => tally.delivered += 1,
            _ if of_age => tally.too_old += 1,
            _ => tally.exhausted += 1,
        });
        self.look_at_the_rest(prediction, id);
    }

    /// The beginning is never left out, and messages before the final one do not stay on their way.
    fn look_at_the_rest(&self, prediction: PredictionId, last: DeliveryId) {
        let (ledger, mut starts) = (&self.around.ledger, 0);
        for message in wait(self.around.store.deliveries(prediction)).expect("readable") {
            let (id, state) = (message.id, message.state);
            let is_open = matches!(state, DeliveryState::Pending | DeliveryState::Sending);
            ledger.require(!is_open, || format!("{id} is {state} in the end"));
            ledger.require(id.seq <= last.seq, || format!("{id} comes after the final {last}"));
            starts += usize::from(message.event == WebhookEvent::Start);
        }
        let owed = usize::from(ledger.owes_start(prediction));
        ledger.require(starts == owed, || format!("{prediction} owes {owed} starts and has {starts}"));
    }

    /// Whether the receiver said that it does not want anything any more, and was asked.
    fn is_gone(&self, log: &[Attempt]) -> bool {
        let listens = self.around.config.schedule != Schedule::replicate();
        listens && log.iter().any(|attempt| attempt.status == Some(410))
    }

    /// How often a final message is tried before it is given up.
    fn tries(&self) -> u32 {
        let schedule = &self.around.config.schedule;
        let now = self.clock.now();
        let is_over = |tries: &u32| schedule.next_attempt_at(now, *tries, now, 0.5, None).is_none();
        (1..100).find(is_over).expect("every schedule ends")
    }
}
