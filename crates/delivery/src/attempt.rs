//! One step of a lane: the next message, one attempt at it, and what follows.
//!
//! Whatever goes wrong on this side (the store, the secrets, the lease) spends no attempt: nothing was sent, and the lane
//! is tried again later.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cogwire_core::id::DeliveryId;
use cogwire_core::time::{Clock, Entropy, Timestamp};
use cogwire_core::trace::Spans;
use cogwire_core::webhook::event::WebhookEvent;
use cogwire_core::webhook::pacing::{FinalMessage, Next};
use cogwire_core::webhook::schedule::{After, Schedule, parse_retry_after};
use cogwire_core::webhook::signature::Secret;
use cogwire_core::wire::Links;
use cogwire_store::delivery::{Attempt, BeginIntermediate, ClaimedLane, FinishedAttempt, Verdict};
use cogwire_store::handoff::HeldLane;
use cogwire_store::lease::{Standing, Term};
use cogwire_store::{DeliveryStore, NodeEpoch, NodeLease, PredictionStore, failpoint};
use sha2::{Digest, Sha256};

use crate::config::DeliveryConfig;
use crate::end::End;
use crate::health::Health;
use crate::message::{Message, intermediate_body, pass_on};
use crate::obstacle::Obstacle;
use crate::report::report;
use crate::secrets::Secrets;
use crate::sink::{Answer, Class, Deadline, OutgoingRequest, Sink};
use crate::span::AttemptSpan;
use crate::verdict::{Errand, GONE, ORIGIN_DOWN, Tried};
use crate::{gzip, metrics};

/// Takes steps.
pub(crate) struct Sender {
    pub(crate) config: DeliveryConfig,
    pub(crate) predictions: Arc<dyn PredictionStore>,
    pub(crate) deliveries: Arc<dyn DeliveryStore>,
    pub(crate) secrets: Secrets,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) spans: Arc<dyn Spans>,
    pub(crate) lease: Arc<NodeLease>,
    pub(crate) links: Links,
    pub(crate) node: NodeEpoch,
}

impl Sender {
    /// Does what is due in the lane, one message at the most.
    pub(crate) async fn step(&self, held: &HeldLane, errand: Errand) -> End {
        let (lane, term) = (&held.lane, held.place.term());
        let result = match (lane.lane.next(self.clock.now()), &lane.lane.last, errand) {
            (Next::Wait(_) | Next::Idle | Next::Done, _, _) => return End::NotDue,
            (Next::Send(WebhookEvent::Completed), Some(last), Errand::GiveUp(down_since)) => {
                Ok(self.give_up(lane, &final_message(lane, last, Bytes::new()), down_since))
            }
            (Next::Send(WebhookEvent::Completed), Some(last), _) => {
                self.send_final(lane, term, last, errand).await
            }
            (Next::Send(event), _, Errand::GiveUp(down_since)) => {
                let message = self.begin(lane, event).await;
                message.map(|message| self.give_up(lane, &message, down_since))
            }
            (Next::Send(event), _, _) => self.send_intermediate(lane, term, event).await,
        };
        result.unwrap_or_else(|obstacle| End::before_the_attempt(lane, obstacle))
    }

    async fn send_final(
        &self,
        lane: &ClaimedLane,
        term: Term,
        last: &FinalMessage,
        errand: Errand,
    ) -> Result<End, Obstacle> {
        let body = lane.final_body.clone().ok_or(Obstacle::NoBytes)?;
        let message = final_message(lane, last, body);
        let secrets = self.signing_secrets(lane).await?;
        let deadline = self.deadline(term, message.event)?;
        let mut sent = self.attempt(lane, &message, &secrets, deadline).await;
        let (tried, schedule) = (sent.tried(), self.schedule(lane));
        let (verdict, after) = tried.verdict(errand, last, schedule, self.entropy.fraction());
        if after == After::Gone {
            sent.answer.detail = format!("{}; {GONE}", sent.answer.detail);
        }
        metrics::verdict(verdict, after);
        Ok(self.finish(lane, &message, sent, verdict))
    }

    /// Intermediate messages are sent once. They are durable before they go out, so that a crash leaves a trace of them.
    async fn send_intermediate(
        &self,
        lane: &ClaimedLane,
        term: Term,
        event: WebhookEvent,
    ) -> Result<End, Obstacle> {
        let secrets = self.signing_secrets(lane).await?;
        self.deadline(term, event)?;
        let message = self.begin(lane, event).await?;
        // It took a while to make the message durable. What was begun and cannot be sent is given back as interrupted.
        let Ok(deadline) = self.deadline(term, event) else { return Ok(End::Dropped) };
        let sent = self.attempt(lane, &message, &secrets, deadline).await;
        let delivered = sent.answer.class == Class::Delivered;
        let verdict = if delivered { Verdict::Delivered } else { Verdict::GivenUp };
        Ok(self.finish(lane, &message, sent, verdict))
    }

    async fn signing_secrets(&self, lane: &ClaimedLane) -> Result<Arc<[Secret]>, Obstacle> {
        let secrets = self.secrets.of(&lane.account, self.clock.now()).await;
        let secrets = secrets.map_err(|error| Obstacle::Store("read the signing secrets", error))?;
        if secrets.is_empty() {
            return Err(Obstacle::NoSecret(lane.account.clone()));
        }
        Ok(secrets)
    }

    /// The deadline of an attempt that begins now. The lease lasts longer: while the attempt may go on, nobody else sends for
    /// this prediction.
    fn deadline(&self, term: Term, event: WebhookEvent) -> Result<Deadline, Obstacle> {
        let after = self.config.timeout(event);
        let at = self.clock.monotonic() + after;
        match self.lease.standing(term, at + self.config.lease_margin) {
            Standing::Holds => Ok(Deadline { at, after }),
            Standing::Ending => Err(Obstacle::LeaseTooShort),
            Standing::Over => Err(Obstacle::NotHeld),
        }
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

    async fn attempt(
        &self,
        lane: &ClaimedLane,
        message: &Message,
        secrets: &[Secret],
        deadline: Deadline,
    ) -> Sent {
        let started_at = self.clock.now();
        let mut headers = message.headers(secrets, &lane.options, started_at);
        let span = AttemptSpan::of(lane, &*self.entropy);
        pass_on(&lane.options, span.map(|span| span.context), &mut headers);
        let body = message.body.clone();
        let body = if lane.options.gzip { gzip::pack(body, &mut headers).await } else { body };
        let request = OutgoingRequest { url: &lane.url, headers, body };
        let in_flight = metrics::InFlight::begin();
        failpoint::reached("attempt.begun");
        let answer = self.sink.post(request, deadline).await;
        drop(in_flight);
        failpoint::reached("attempt.answered");
        let ended_at = self.clock.now();
        metrics::attempt(message.event, answer.class, ended_at.since(started_at));
        if let Some(span) = span {
            span.record(&*self.spans, lane, message, &answer, (started_at, ended_at));
        }
        Sent { answer, started_at, ended_at }
    }

    fn schedule<'a>(&'a self, lane: &'a ClaimedLane) -> &'a Schedule {
        lane.options.schedule.as_ref().unwrap_or(&self.config.schedule)
    }

    /// Gives a message up without a request.
    fn give_up(&self, lane: &ClaimedLane, message: &Message, down_since: Timestamp) -> End {
        if message.event == WebhookEvent::Completed {
            metrics::given_up(ORIGIN_DOWN);
        }
        let attempt = Attempt {
            number: message.attempt,
            started_at: self.clock.now(),
            duration: Duration::ZERO,
            status: None,
            class: ORIGIN_DOWN.to_owned(),
            detail: format!(
                "not sent: nothing has answered at {} since {down_since}, and the message has waited for too long \
                 (webhook_max_age); resend it when the receiver is back",
                lane.origin
            ),
            manual: message.manual,
            report: None,
        };
        End::Finished(Box::new(self.finished(lane, message, attempt, Verdict::GivenUp)), Health::Unknown)
    }

    fn finish(&self, lane: &ClaimedLane, message: &Message, sent: Sent, verdict: Verdict) -> End {
        if verdict != Verdict::Delivered {
            tracing::debug!(delivery_id = %message.id, attempt = message.attempt, class = %sent.answer.class,
                detail = %sent.answer.detail, ?verdict, "a webhook was not delivered");
        }
        let health = sent.tried().health(self.schedule(lane));
        let attempt = Attempt {
            number: message.attempt,
            started_at: sent.started_at,
            duration: sent.ended_at.since(sent.started_at),
            status: sent.answer.status,
            class: sent.answer.class.as_str().to_owned(),
            detail: sent.answer.detail,
            manual: message.manual,
            report: report(&sent.answer.seen),
        };
        End::Finished(Box::new(self.finished(lane, message, attempt, verdict)), health)
    }

    fn finished(
        &self,
        lane: &ClaimedLane,
        message: &Message,
        attempt: Attempt,
        verdict: Verdict,
    ) -> FinishedAttempt {
        FinishedAttempt {
            delivery: message.id,
            lease_no: lane.lease_no,
            node: self.node.clone(),
            is_final: message.event == WebhookEvent::Completed,
            attempt,
            verdict,
        }
    }
}

fn final_message(lane: &ClaimedLane, last: &FinalMessage, body: Bytes) -> Message {
    Message {
        id: DeliveryId { prediction: lane.prediction, seq: last.seq },
        event: WebhookEvent::Completed,
        attempt: last.attempts + 1,
        manual: last.manual,
        body,
    }
}

/// An attempt that is over.
struct Sent {
    answer: Answer,
    started_at: Timestamp,
    ended_at: Timestamp,
}

impl Sent {
    fn tried(&self) -> Tried {
        let wish = self.answer.retry_after.as_deref();
        Tried {
            started_at: self.started_at,
            ended_at: self.ended_at,
            class: self.answer.class,
            status: self.answer.status,
            retry_after: wish.and_then(|header| parse_retry_after(header, self.ended_at)),
        }
    }
}
