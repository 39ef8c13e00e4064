//! The model's messages: sending what lanes owe, and what receivers must have got in the end.

use cogwire_core::id::DeliveryId;
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::pacing::Next;

use super::super::history::Sent;
use super::{Case, Checked, same};
use crate::contract::fixture::finished;
use crate::delivery::{BeginIntermediate, ClaimedLane, FinishedAttempt, LaneClaim, LaneOutcome};

impl Case<'_> {
    pub(super) async fn deliver(&mut self, sent: Sent, hears: bool) -> Checked {
        let claim = LaneClaim::of_any(1000, 1000, self.now());
        let claims =
            self.world.store.claim_lanes(&self.actor.node, claim).await.map_err(|error| error.to_string())?;
        let mut held = std::mem::take(&mut self.actor.held);
        held.extend(claims.lanes);
        for lane in held {
            if let Some(lane) = self.work_on(lane, sent, hears).await? {
                self.actor.held.push(lane);
            }
        }
        Ok(())
    }

    /// Sends the next message of a lane; gives the lane back when the node still holds it.
    async fn work_on(&self, held: ClaimedLane, sent: Sent, hears: bool) -> Checked<Option<ClaimedLane>> {
        let now = self.now();
        let Next::Send(event) = held.lane.next(now) else { return Err(format!("{held:?} is not due")) };
        let Some(verdict) = sent.verdict(now) else { return self.give_back(held).await };
        let Some(message) = self.begin(&held, event, hears).await? else { return Ok(None) };
        let number = held.lane.last.as_ref().map_or(0, |last| last.attempts) + 1;
        let attempt = finished(self.world, &held, message, number, verdict);
        let attempt = FinishedAttempt { node: self.actor.node.clone(), ..attempt };
        let mut outcome = self.finish(&attempt).await?;
        if !hears {
            let again = self.finish(&attempt).await?;
            same("the repeated outcome", format!("{again:?}"), format!("{outcome:?}"))?;
            outcome = again;
        }
        match outcome {
            LaneOutcome::Continue(held) => Ok(Some(*held)),
            LaneOutcome::DueAt(_) | LaneOutcome::Idle => Ok(None),
            LaneOutcome::Fenced => Err(format!("the node holds the lane of {attempt:?}, and it was fenced")),
        }
    }

    async fn finish(&self, attempt: &FinishedAttempt) -> Checked<LaneOutcome> {
        let outcomes = self.world.store.finish_attempts([attempt.clone()].into(), self.now()).await;
        outcomes.map_err(|error| error.to_string())?.pop().ok_or_else(|| "there is no outcome".to_owned())
    }

    async fn give_back(&self, held: ClaimedLane) -> Checked<Option<ClaimedLane>> {
        let lanes = [(held.prediction, held.lease_no)];
        let released = self.world.store.release_lanes(&self.actor.node, &lanes).await;
        released.map(|()| None).map_err(|error| error.to_string())
    }

    /// The message to send; `None` when the final one took its place.
    async fn begin(
        &self,
        held: &ClaimedLane,
        event: WebhookEvent,
        hears: bool,
    ) -> Checked<Option<DeliveryId>> {
        if let (WebhookEvent::Completed, Some(last)) = (event, &held.lane.last) {
            return Ok(Some(DeliveryId { prediction: held.prediction, seq: last.seq }));
        }
        let now = self.now();
        let shown = self.world.load(held.prediction).await;
        let seq = held.lane.clone().begin_intermediate(event, now);
        let begin = BeginIntermediate {
            prediction: held.prediction,
            lease_no: held.lease_no,
            node: self.actor.node.clone(),
            seq,
            event,
            revision: shown.revision,
            body_sha256: [9; 32],
            size: 2,
            now,
        };
        let begun = self.begin_message(&begin).await?;
        if !hears {
            same("the repeated answer", self.begin_message(&begin).await?, begun)?;
        }
        Ok(begun.then_some(DeliveryId { prediction: held.prediction, seq }))
    }

    async fn begin_message(&self, begin: &BeginIntermediate) -> Checked<bool> {
        self.world.store.begin_intermediate(begin.clone()).await.map_err(|error| error.to_string())
    }

    /// `start` first if at all, `completed` last, and no number missing.
    pub(super) async fn check_messages(&self) -> Checked {
        for entry in &self.entries {
            let id = entry.current.id();
            let sent = self.world.store.deliveries(id).await.map_err(|error| error.to_string())?;
            for delivery in &sent {
                let read = self.world.store.delivery(delivery.id).await.map_err(|error| error.to_string())?;
                let attempts = read.map(|(_, attempts)| attempts.len());
                same("attempts", attempts, Some(delivery.attempts as usize))?;
            }
            let numbers: Vec<u32> = sent.iter().map(|delivery| delivery.id.seq).collect();
            same("numbers", numbers, (1..=sent.len() as u32).collect())?;
            let mut events: Vec<WebhookEvent> = sent.iter().map(|delivery| delivery.event).collect();
            same("the last message", events.pop(), Some(WebhookEvent::Completed))?;
            same("one end", events.contains(&WebhookEvent::Completed), false)?;
            let begun = entry.current.state.started_at().is_some();
            same("a start", events.first() == Some(&WebhookEvent::Start), begun)?;
            same("one start", events.iter().skip(1).any(|event| *event == WebhookEvent::Start), false)?;
            same(
                "nothing is owed",
                self.world.store.lane(id).await.map_err(|error| error.to_string())?,
                None,
            )?;
        }
        Ok(())
    }
}
