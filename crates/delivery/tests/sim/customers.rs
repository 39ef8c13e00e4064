//! Predictions that live and end, and owe messages: what the engine does, without models.

use std::sync::Arc;

use cogwire_core::id::PredictionId;
use cogwire_core::json::Json;
use cogwire_core::prediction::{
    AccountId, ChunkEvent, Event, Kind, Prediction, Report, Request, RunEnd, Source,
};
use cogwire_core::time::{Clock, Entropy};
use cogwire_core::webhook::event::{EventSet, PayloadShape, Webhook, WebhookEvent};
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_store::handoff::Handoff;
use cogwire_store::prediction::{Commit, CommitOutcome, Guard, LaneEffect, NewPrediction};
use cogwire_store::{NodeEpoch, PredictionStore};

use super::machine::{Surroundings, links};
use super::time::{MachineClock, wait};
use super::world::Fleet;

pub(crate) fn account() -> AccountId {
    AccountId("me".into())
}

/// One prediction from its beginning to its end, at the seed's pace. Its commits are never refused: how runs are fenced is
/// not what is looked at here.
pub(crate) struct Customer {
    pub(crate) around: Surroundings,
    pub(crate) fleet: Fleet,
    pub(crate) clock: MachineClock,
}

impl Customer {
    pub(crate) async fn live(self, origin: String) {
        let dice = self.around.dice.clone();
        let mut prediction = self.create(&origin);
        self.commit(&mut prediction, Report { started_at: Some(self.clock.now()), ..Report::default() })
            .await;
        for said in 0..dice.number(0, 5) {
            self.around.time.sleep(dice.millis(0, 1500)).await;
            let text = format!("{said}");
            let event =
                if dice.percent(50) { ChunkEvent::Log(text) } else { ChunkEvent::Item(Json::string(&text)) };
            self.commit(&mut prediction, Report { events: vec![event], ..Report::default() }).await;
        }
        self.around.time.sleep(dice.millis(0, 3000)).await;
        self.commit(&mut prediction, Report { end: Some(RunEnd::Succeeded), ..Report::default() }).await;
    }

    fn create(&self, origin: &str) -> Prediction {
        let request = self.request(origin);
        let new = NewPrediction {
            request: request.clone(),
            claim: Some(NodeEpoch("engine".into())),
            deadline: None,
            idempotency: None,
            uploads: Vec::new(),
        };
        wait(self.around.store.create(new)).expect("writable");
        Prediction::new(request)
    }

    fn request(&self, origin: &str) -> Request {
        let (now, dice) = (self.clock.now(), &self.around.dice);
        let events: EventSet = WebhookEvent::ALL
            .into_iter()
            .filter(|event| *event == WebhookEvent::Completed || dice.percent(60))
            .collect();
        Request {
            id: PredictionId::new(now, dice.bits()),
            account: account(),
            kind: Kind::Prediction,
            model: "acme/echo".parse().expect("a name"),
            version: "a".repeat(64).parse().expect("an id"),
            source: Source::Api,
            created_at: now,
            input: Json::parse(r#"{"text":"you"}"#).expect("JSON"),
            webhook: Some(Webhook {
                url: format!("{origin}/hook"),
                origin: origin.to_owned(),
                events,
                filter: None,
                payload: PayloadShape::Prediction,
                options: WebhookOptions::default(),
            }),
            cancel_at: None,
            streams: false,
            destination: None,
            trace: None,
        }
    }

    /// Commits as the engine does: with room reserved on some node, to which the lane is handed over.
    async fn commit(&self, prediction: &mut Prediction, report: Report) {
        let now = self.clock.now();
        let transition = prediction.apply(Event::Ran(report), now, &links()).expect("allowed");
        let origin = &prediction.request.webhook.as_ref().expect("it has one").origin;
        let node = self.fleet.some_node(&self.around.dice);
        let permit = node.as_ref().and_then(|(_, handoff)| handoff.try_reserve(origin));
        let commit = Commit {
            transition: transition.clone(),
            request: Arc::clone(&prediction.request),
            guard: Guard::Anyone,
            deadline: None,
            expires_at: None,
            deliver_here: permit.as_ref().and(node.as_ref().map(|(epoch, _)| epoch.clone())),
            now,
        };
        let outcome = wait(self.around.store.commit(commit)).expect("writable");
        let CommitOutcome::Committed(effect) = outcome else { panic!("nobody else changes it") };
        if transition.wants().start {
            self.around.ledger.start_promised(prediction.id());
        }
        if let Some(completed) = &transition.wants().completed {
            self.around.ledger.promised(prediction.id(), completed.body.clone().into());
        }
        prediction.absorb(transition);
        self.around.time.sleep(self.around.dice.millis(0, 10)).await;
        match (effect, permit) {
            // Now and then whoever committed does not hear that the node holds the lane now.
            (LaneEffect::Claimed(lane), Some(permit)) if !self.around.dice.percent(5) => permit.send(*lane),
            (LaneEffect::DueAt(at), _) => self.announce(node.map(|(_, handoff)| handoff), at),
            _ => {}
        }
    }

    /// Signals are lost as well.
    fn announce(&self, node: Option<Handoff>, at: cogwire_core::time::Timestamp) {
        if self.around.dice.percent(70) {
            node.into_iter().for_each(|handoff| handoff.wake_at(at));
        }
    }
}
