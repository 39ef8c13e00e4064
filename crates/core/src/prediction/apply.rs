//! The lifecycle: which event is allowed when, and what follows from it.

use std::time::Duration;

use super::chunk::{Chunk, ChunkEvent};
use super::content::Content;
use super::deadline::DeadlineKind;
use super::{Ended, Outcome, Prediction, State, Status};
use crate::id::PredictionId;
use crate::json::Json;
use crate::time::Timestamp;
use crate::webhook::event::{EventSet, WebhookEvent};
use crate::wire::{Links, message_body};

/// Something that happened to a prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The model reported.
    Ran(Report),
    /// Somebody asked to cancel it.
    CancelRequested,
    /// A deadline passed.
    Expired(DeadlineKind),
    /// The deadline for the queue passed, and there is no node that could run it.
    Unserved,
    /// The run was lost.
    Lost(Loss),
}

/// What a model reported since the last report: any part may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// When the model began, if it has just begun.
    pub started_at: Option<Timestamp>,
    /// What it said.
    pub events: Vec<ChunkEvent>,
    /// How it ended, if it has.
    pub end: Option<RunEnd>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// With its output complete.
    Succeeded,
    /// With an error for the user.
    Failed(String),
    /// Because it was told to stop.
    Canceled,
}

/// Why a run was lost. The text is for the user; the code is that of Replicate's error reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The server stopped after the run had shown signs of life: running it again could do its work twice.
    #[error("Prediction interrupted: the server stopped while the model was running (E8367)")]
    Interrupted,
    /// The server stopped this many times while it was about to run it.
    #[error("Prediction interrupted: the server stopped {0} times while it was about to run it (E8367)")]
    RunsExhausted(u32),
}

/// The event cannot happen to this prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransition {
    /// It is over.
    #[error("the prediction has already ended as {0}")]
    AlreadyEnded(Status),
    /// It cannot start twice.
    #[error("the prediction has already started")]
    AlreadyStarted,
    /// The report says nothing.
    #[error("the report is empty")]
    Empty,
}

/// A change that is allowed and not yet durable. Only [`Prediction::apply`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    id: PredictionId,
    expected_revision: u64,
    next: State,
    chunk: Option<Chunk>,
    result: Option<Content>,
    wants: Wants,
}

/// The webhook messages that a transition asks for, already filtered by what the prediction subscribes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// A `start` message.
    pub start: bool,
    /// A message about new output or logs: which of the two.
    pub progress: EventSet,
    /// The final message. Its bytes are fixed here.
    pub completed: Option<Completed>,
}

/// The body of a `completed` message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The exact bytes to send.
    pub body: String,
}

impl Transition {
    /// The prediction that changes.
    pub fn id(&self) -> PredictionId {
        self.id
    }

    /// The revision that the prediction must still have when this is committed.
    pub fn expected_revision(&self) -> u64 {
        self.expected_revision
    }

    /// The state after it.
    pub fn next(&self) -> &State {
        &self.next
    }

    /// The events that become durable with it.
    pub fn chunk(&self) -> Option<&Chunk> {
        self.chunk.as_ref()
    }

    /// The whole content, when the prediction ends with this transition.
    pub fn result(&self) -> Option<&Content> {
        self.result.as_ref()
    }

    /// The messages to send.
    pub fn wants(&self) -> &Wants {
        &self.wants
    }
}

impl Prediction {
    /// Decides what `event` does to this prediction at `now`. Nothing changes until the result is committed.
    ///
    /// # Errors
    /// When the event cannot happen in this state; above all, nothing happens after the end.
    pub fn apply(
        &self,
        event: Event,
        now: Timestamp,
        links: &Links,
    ) -> Result<Transition, InvalidTransition> {
        if let State::Ended(_) = self.state {
            return Err(InvalidTransition::AlreadyEnded(self.status()));
        }
        let outcome = match event {
            Event::Ran(report) => return self.apply_report(report, now, links),
            Event::CancelRequested => Outcome::Canceled,
            // The model began between the look at the deadline and now.
            Event::Expired(DeadlineKind::Queue | DeadlineKind::Setup) | Event::Unserved
                if self.state != State::Starting =>
            {
                return Err(InvalidTransition::AlreadyStarted);
            }
            Event::Unserved => Outcome::Failed(UNSERVED.to_owned()),
            Event::Expired(kind) => outcome_of_deadline(kind, &self.state),
            Event::Lost(loss) => Outcome::Failed(loss.to_string()),
        };
        Ok(self.end(outcome, now, self.state.started_at(), Vec::new(), links))
    }

    /// Folds a committed transition in.
    pub fn absorb(&mut self, transition: Transition) {
        self.revision += 1;
        self.state = transition.next;
        if let Some(chunk) = transition.chunk {
            self.next_event = chunk.end();
            if transition.result.is_none() {
                chunk.events.iter().for_each(|event| self.content.absorb(event));
            }
        }
        if let Some(result) = transition.result {
            self.content = result;
        }
    }

    fn apply_report(
        &self,
        report: Report,
        now: Timestamp,
        links: &Links,
    ) -> Result<Transition, InvalidTransition> {
        if report == Report::default() {
            return Err(InvalidTransition::Empty);
        }
        let started_at = match (self.state.started_at(), report.started_at) {
            (Some(_), Some(_)) => return Err(InvalidTransition::AlreadyStarted),
            (known, new) => known.or(new),
        };
        match report.end {
            Some(end) => Ok(self.end(outcome_of_run(end), now, started_at, report.events, links)),
            // A model that speaks has begun, also when it did not say so.
            None => Ok(self.go_on(started_at.unwrap_or(now), report.events)),
        }
    }

    fn go_on(&self, started_at: Timestamp, events: Vec<ChunkEvent>) -> Transition {
        Transition {
            id: self.id(),
            expected_revision: self.revision,
            wants: Wants {
                start: self.wants_start(Some(started_at)),
                progress: self.progress_of(&events),
                completed: None,
            },
            next: State::Processing { started_at },
            chunk: self.chunk_of(events),
            result: None,
        }
    }

    fn end(
        &self,
        outcome: Outcome,
        now: Timestamp,
        started_at: Option<Timestamp>,
        events: Vec<ChunkEvent>,
        links: &Links,
    ) -> Transition {
        let next = State::Ended(Ended { outcome, started_at, completed_at: now });
        let result = self.final_content(&events, now, started_at);
        let wants_start = self.wants_start(started_at);
        let completed = self.subscribes_to(WebhookEvent::Completed).then(|| {
            let last = self.with(next.clone(), result.clone());
            Completed { body: message_body(&last, WebhookEvent::Completed, links) }
        });
        Transition {
            id: self.id(),
            expected_revision: self.revision,
            next,
            wants: Wants { start: wants_start, progress: self.progress_of(&events), completed },
            chunk: self.chunk_of(events),
            result: Some(result),
        }
    }

    fn with(&self, state: State, content: Content) -> Self {
        Self { request: self.request.clone(), state, content, ..*self }
    }

    fn final_content(&self, events: &[ChunkEvent], now: Timestamp, started_at: Option<Timestamp>) -> Content {
        let mut content = self.content.clone();
        events.iter().for_each(|event| content.absorb(event));
        let mut time = |name: &str, duration: Duration| {
            content.metrics.entry(name.to_owned()).or_insert_with(|| Json::number(duration.as_secs_f64()));
        };
        if let Some(started_at) = started_at {
            time("predict_time", now.since(started_at));
        }
        time("total_time", now.since(self.request.created_at));
        content
    }

    fn wants_start(&self, started_at: Option<Timestamp>) -> bool {
        self.state == State::Starting && started_at.is_some() && self.subscribes_to(WebhookEvent::Start)
    }

    fn progress_of(&self, events: &[ChunkEvent]) -> EventSet {
        let happened = events.iter().filter_map(progress_event).fold(EventSet::NONE, EventSet::with);
        self.request.webhook.as_ref().map_or(EventSet::NONE, |webhook| happened & webhook.events)
    }

    fn subscribes_to(&self, event: WebhookEvent) -> bool {
        self.request.webhook.as_ref().is_some_and(|webhook| webhook.events.contains(event))
    }

    fn chunk_of(&self, events: Vec<ChunkEvent>) -> Option<Chunk> {
        (!events.is_empty()).then_some(Chunk { first: self.next_event, events })
    }
}

fn progress_event(event: &ChunkEvent) -> Option<WebhookEvent> {
    match event {
        ChunkEvent::Log(_) => Some(WebhookEvent::Logs),
        ChunkEvent::Value(_) | ChunkEvent::Item(_) => Some(WebhookEvent::Output),
        ChunkEvent::Metric(..) => None,
    }
}

fn outcome_of_run(end: RunEnd) -> Outcome {
    match end {
        RunEnd::Succeeded => Outcome::Succeeded,
        RunEnd::Failed(error) => Outcome::Failed(error),
        RunEnd::Canceled => Outcome::Canceled,
    }
}

/// How a prediction ends that ran out of time where nobody could have run it.
const UNSERVED: &str = "Prediction timed out in the queue: no running node serves its version (E6716)";

/// How a prediction ends that ran out of time. The codes are those of Replicate's error reference.
fn outcome_of_deadline(kind: DeadlineKind, state: &State) -> Outcome {
    let failed = |text: &str| Outcome::Failed(text.to_owned());
    match kind {
        DeadlineKind::CancelAfter if *state == State::Starting => Outcome::Aborted,
        DeadlineKind::CancelAfter => Outcome::Canceled,
        DeadlineKind::Queue => {
            failed("Prediction timed out in the queue: no instance of the model became free (E6716)")
        }
        DeadlineKind::Setup => failed("Prediction timed out while the model was starting (E6716)"),
        DeadlineKind::Run => failed("Prediction timed out: the model ran longer than it may"),
    }
}
