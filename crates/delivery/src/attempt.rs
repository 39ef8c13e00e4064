//! One step of a lane: the next message, one attempt at it, and what follows.
//!
//! Whatever goes wrong on this side (the store, the secrets, the lease) spends no attempt: nothing was sent, and the lane
//! is tried again later.

use std::sync::Arc;

use bytes::Bytes;
use cogwire_core::id::DeliveryId;
use cogwire_core::time::{Clock, Entropy, Timestamp};
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::pacing::{FinalMessage, Next};
use cogwire_core::webhook::schedule::parse_retry_after;
use cogwire_core::webhook::signature::Secret;
use cogwire_core::wire::Links;
use cogwire_store::delivery::{Attempt, BeginIntermediate, ClaimedLane, FinishedAttempt, Verdict};
use cogwire_store::{DeliveryStore, NodeEpoch, PredictionStore, failpoint};
use sha2::{Digest, Sha256};

use crate::config::DeliveryConfig;
use crate::hold::Hold;
use crate::message::{Message, intermediate_body};
use crate::metrics;
use crate::obstacle::Obstacle;
use crate::secrets::Secrets;
use crate::sink::{Answer, Class, Deadline, OutgoingRequest, Sink};

/// What a step came to.
#[derive(Debug)]
pub(crate) enum End {
    /// There was an attempt, which must be recorded.
    Finished(Box<FinishedAttempt>, Health),
    /// Nothing was sent, for a reason on this side; the lane is still held.
    TryLater(Obstacle),
    /// Nothing is due; the lane is still held.
    NotDue,
    /// It was dropped, because the process stops at once; the lane is still held.
    Dropped,
    /// The lane is not this node's any more.
    Gone,
}

/// What an attempt says about its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers.
    Answers,
    /// It holds requests up, or cannot be reached.
    Stalls,
    /// Nothing: the attempt failed in another way.
    Unknown,
}

/// Takes steps.
pub(crate) struct Sender {
    pub(crate) config: DeliveryConfig,
    pub(crate) predictions: Arc<dyn PredictionStore>,
    pub(crate) deliveries: Arc<dyn DeliveryStore>,
    pub(crate) secrets: Secrets,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) hold: Arc<dyn Hold>,
    pub(crate) links: Links,
    pub(crate) node: NodeEpoch,
}

impl Sender {
    /// Does what is due in the lane, one message at the most.
    pub(crate) async fn step(&self, lane: &ClaimedLane) -> End {
        let result = match (lane.lane.next(self.clock.now()), &lane.lane.last) {
            (Next::Send(WebhookEvent::Completed), Some(last)) => self.send_final(lane, last).await,
            (Next::Send(event), _) => self.send_intermediate(lane, event).await,
            (Next::Wait(_) | Next::Idle | Next::Done, _) => return End::NotDue,
        };
        result.unwrap_or_else(|obstacle| End::before_the_attempt(lane, obstacle))
    }

    async fn send_final(&self, lane: &ClaimedLane, last: &FinalMessage) -> Result<End, Obstacle> {
        let message = Message {
            id: DeliveryId { prediction: lane.prediction, seq: last.seq },
            event: WebhookEvent::Completed,
            attempt: last.attempts + 1,
            manual: last.manual,
            body: lane.final_body.clone().ok_or(Obstacle::NoBytes)?,
        };
        let secrets = self.ready(lane, message.event).await?;
        let sent = self.attempt(lane, &message, &secrets).await;
        let verdict = self.final_verdict(last, &sent);
        Ok(self.finish(lane, &message, sent, verdict))
    }

    /// Intermediate messages are sent once. They are durable before they go out, so that a crash leaves a trace of them.
    async fn send_intermediate(&self, lane: &ClaimedLane, event: WebhookEvent) -> Result<End, Obstacle> {
        let secrets = self.ready(lane, event).await?;
        let message = self.begin(lane, event).await?;
        let sent = self.attempt(lane, &message, &secrets).await;
        let delivered = sent.answer.class == Class::Delivered;
        let verdict = if delivered { Verdict::Delivered } else { Verdict::GivenUp };
        Ok(self.finish(lane, &message, sent, verdict))
    }

    /// What every attempt needs before anything of it becomes durable.
    async fn ready(&self, lane: &ClaimedLane, event: WebhookEvent) -> Result<Arc<[Secret]>, Obstacle> {
        let secrets = self.secrets.of(&lane.account, self.clock.now()).await;
        let secrets = secrets.map_err(|error| Obstacle::Store("read the signing secrets", error))?;
        if secrets.is_empty() {
            return Err(Obstacle::NoSecret(lane.account.clone()));
        }
        if !self.hold.lasts(self.config.timeout(event) + self.config.lease_margin) {
            return Err(Obstacle::LeaseTooShort);
        }
        Ok(secrets)
    }

    async fn begin(&self, lane: &ClaimedLane, event: WebhookEvent) -> Result<Message, Obstacle> {
        let (body, revision) = self.render(lane, event).await?;
        let now = self.clock.now();
        let seq = lane.lane.clone().begin_intermediate(event, now);
        let begin = BeginIntermediate {
            prediction: lane.prediction,
            lease_no: lane.lease_no,
            node: self.node.clone(),
            seq,
            event,
            revision,
            body_sha256: Sha256::digest(&body).into(),
            size: body.len() as u64,
            now,
        };
        let begun = self.deliveries.begin_intermediate(begin).await;
        failpoint::reached("intermediate.begun");
        match begun.map_err(|error| Obstacle::Store("begin a message", error))? {
            true => {
                let id = DeliveryId { prediction: lane.prediction, seq };
                Ok(Message { id, event, attempt: 1, manual: false, body })
            }
            false => Err(Obstacle::NotHeld),
        }
    }

    /// The body, and the revision that it shows. The prediction's data may have been removed meanwhile; then the message says that.
    async fn render(&self, lane: &ClaimedLane, event: WebhookEvent) -> Result<(Bytes, u64), Obstacle> {
        let loaded = self.predictions.load(lane.prediction).await;
        let prediction = loaded
            .map_err(|error| Obstacle::Store("load the prediction", error))?
            .ok_or(Obstacle::NoBytes)?;
        let revision = prediction.revision;
        Ok((intermediate_body(prediction, event, &self.links), revision))
    }

    async fn attempt(&self, lane: &ClaimedLane, message: &Message, secrets: &[Secret]) -> Sent {
        let started_at = self.clock.now();
        let timeout = self.config.timeout(message.event);
        let deadline = Deadline { at: started_at + timeout, after: timeout };
        let headers = message.headers(secrets, started_at);
        let request = OutgoingRequest { url: &lane.url, headers, body: message.body.clone() };
        let in_flight = metrics::InFlight::begin();
        let answer = self.sink.post(request, deadline).await;
        drop(in_flight);
        failpoint::reached("attempt.answered");
        let ended_at = self.clock.now();
        metrics::attempt(message.event, answer.class, ended_at.since(started_at));
        Sent { answer, started_at, ended_at }
    }

    fn final_verdict(&self, last: &FinalMessage, sent: &Sent) -> Verdict {
        if sent.answer.class == Class::Delivered {
            return Verdict::Delivered;
        }
        let first = last.first_attempt_at.unwrap_or(sent.started_at);
        let wish =
            sent.answer.retry_after.as_deref().and_then(|header| parse_retry_after(header, sent.ended_at));
        let fraction = self.entropy.fraction();
        let next = self.config.schedule.next_attempt_at(first, last.tries + 1, sent.ended_at, fraction, wish);
        next.map_or(Verdict::GivenUp, Verdict::RetryAt)
    }

    fn finish(&self, lane: &ClaimedLane, message: &Message, sent: Sent, verdict: Verdict) -> End {
        if verdict != Verdict::Delivered {
            tracing::debug!(delivery_id = %message.id, attempt = message.attempt, class = %sent.answer.class,
                detail = %sent.answer.detail, ?verdict, "a webhook was not delivered");
        }
        let health = Health::of(sent.answer.class);
        let attempt = Attempt {
            number: message.attempt,
            started_at: sent.started_at,
            duration: sent.ended_at.since(sent.started_at),
            status: sent.answer.status,
            class: sent.answer.class.as_str().to_owned(),
            detail: sent.answer.detail,
            manual: message.manual,
        };
        let finished = FinishedAttempt {
            delivery: message.id,
            lease_no: lane.lease_no,
            node: self.node.clone(),
            is_final: message.event == WebhookEvent::Completed,
            attempt,
            verdict,
        };
        End::Finished(Box::new(finished), health)
    }
}

/// An attempt that is over.
struct Sent {
    answer: Answer,
    started_at: Timestamp,
    ended_at: Timestamp,
}

impl End {
    fn before_the_attempt(lane: &ClaimedLane, obstacle: Obstacle) -> Self {
        let prediction_id = lane.prediction;
        match obstacle {
            Obstacle::NotHeld => tracing::debug!(%prediction_id, "a webhook is not sent from here"),
            Obstacle::NoBytes => {
                tracing::error!(%prediction_id, %obstacle, "a webhook is left alone until the next start");
            }
            _ => return Self::TryLater(obstacle),
        }
        Self::Gone
    }

    /// What the step says about the receiver.
    pub(crate) fn health(&self) -> Health {
        match self {
            Self::Finished(_, health) => *health,
            _ => Health::Unknown,
        }
    }
}

impl Health {
    fn of(class: Class) -> Self {
        match class {
            Class::Delivered | Class::Redirect | Class::Status => Self::Answers,
            Class::Timeout | Class::Connect => Self::Stalls,
            Class::Dns | Class::Tls | Class::Blocked | Class::Protocol => Self::Unknown,
        }
    }
}
