//! Making a transition durable, and telling whoever must know.

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::{Event, InvalidTransition, Prediction, Transition};
use cogwire_core::time::Timestamp;
use cogwire_store::handoff::HandoffPermit;
use cogwire_store::prediction::{Commit, CommitOutcome, Guard, LaneEffect};
use cogwire_store::{self as store, Signal, failpoint};

use crate::Shared;
use crate::hub::Durable;

/// What became of ending a prediction from outside its run.
pub(crate) enum Ending {
    /// It ended now.
    Ended(Prediction),
    /// It had ended before.
    HadEnded(Prediction),
    /// What was to end it has been overtaken.
    GoesOn,
    /// There is no such prediction.
    Unknown,
}

/// What became of a transition.
pub(crate) enum Outcome {
    /// It is durable, and folded into the prediction.
    Committed,
    /// The prediction has moved on.
    Conflict,
    /// The prediction has ended, or is somebody else's.
    Fenced,
}

impl Shared {
    /// Commits a transition of `prediction` and folds it in. Waiters and the sender of webhooks hear of it afterwards.
    pub(crate) async fn commit(
        &self,
        prediction: &mut Prediction,
        transition: Transition,
        guard: Guard,
        claimed_at: Option<Timestamp>,
    ) -> store::Result<Outcome> {
        let permit = self.reserve_lane(prediction);
        let commit = self.commit_of(prediction, &transition, guard, claimed_at, permit.is_some());
        let ends = transition.next().completed_at().is_some();
        let (before, after) =
            if ends { ("end.before", "end.committed") } else { ("progress.before", "progress.committed") };
        failpoint::reached(before);
        let outcome = self.store.commit(commit).await?;
        failpoint::reached(after);
        match outcome {
            CommitOutcome::Committed(effect) => {
                prediction.absorb(transition);
                self.announce(prediction);
                self.hand_over(effect, permit);
                Ok(Outcome::Committed)
            }
            CommitOutcome::Conflict => Ok(Outcome::Conflict),
            CommitOutcome::Fenced => Ok(Outcome::Fenced),
        }
    }

    /// Ends a prediction on behalf of anybody: a caller, a deadline, a take-over. The first to end it wins; a conflict
    /// means that its run has gone on in between, so the event is applied to what is there now.
    pub(crate) async fn end(&self, id: PredictionId, event: Event) -> store::Result<Ending> {
        loop {
            let Some(mut prediction) = self.store.load(id).await? else { return Ok(Ending::Unknown) };
            let transition = match prediction.apply(event.clone(), self.clock.now(), &self.links) {
                Ok(transition) => transition,
                Err(InvalidTransition::AlreadyEnded(_)) => return Ok(Ending::HadEnded(prediction)),
                // A deadline for the start that the start has met.
                Err(InvalidTransition::AlreadyStarted) => return Ok(Ending::GoesOn),
                Err(InvalidTransition::Empty) => unreachable!("only a report can be empty"),
            };
            if let Outcome::Committed = self.commit(&mut prediction, transition, Guard::Anyone, None).await? {
                self.stop_run(id);
                return Ok(Ending::Ended(prediction));
            }
        }
    }

    /// Stops the run of a prediction that has ended, if it is on this node.
    pub(crate) fn stop_run(&self, id: PredictionId) {
        if let Some(token) = self.lock_running().get(&id) {
            token.cancel();
        }
    }

    fn commit_of(
        &self,
        prediction: &Prediction,
        transition: &Transition,
        guard: Guard,
        claimed_at: Option<Timestamp>,
        deliver_here: bool,
    ) -> Commit {
        let next = transition.next();
        Commit {
            request: prediction.request.clone(),
            guard,
            deadline: self.config.limits.deadline(&prediction.request, next, claimed_at),
            expires_at: next.completed_at().zip(self.config.retention).map(|(at, kept)| at + kept),
            deliver_here: deliver_here.then(|| self.node.clone()),
            now: self.clock.now(),
            transition: transition.clone(),
        }
    }

    /// Room for one more lane in this node's sender. Without room the lane stays free, and is claimed later.
    fn reserve_lane(&self, prediction: &Prediction) -> Option<HandoffPermit> {
        let webhook = prediction.request.webhook.as_ref()?;
        self.handoff.as_ref()?.try_reserve(&webhook.origin)
    }

    fn announce(&self, prediction: &Prediction) {
        let ended = prediction.status().is_terminal();
        let (id, events) = (prediction.id(), prediction.next_event);
        self.hub.publish(id, Durable { events, ended });
        self.tell(Signal::Progress { prediction: id, events, ended });
        if ended {
            metrics::counter!(
                "cogwire_predictions_total",
                "model" => prediction.request.model.to_string(),
                "status" => prediction.status().as_str()
            )
            .increment(1);
        }
    }

    fn hand_over(&self, effect: LaneEffect, permit: Option<HandoffPermit>) {
        match (effect, permit) {
            (LaneEffect::Claimed(lane), Some(permit)) => permit.send(*lane),
            (LaneEffect::DueAt(at), _) => self.announce_lane(at),
            _ => {}
        }
    }

    pub(crate) fn wake_sender(&self, at: Timestamp) {
        if let Some(handoff) = &self.handoff {
            handoff.wake_at(at);
        }
    }
}
