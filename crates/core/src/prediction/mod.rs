//! A prediction (or training): what was asked, what has come of it, and the only way to change it.
//!
//! [`Prediction::apply`] is the whole lifecycle. It takes an [`Event`] and gives a [`Transition`], which nobody else can
//! make; the store commits the transition or refuses it; [`Prediction::absorb`] then folds it in. So what is in memory
//! is never ahead of what is durable.

mod apply;
mod chunk;
mod content;
mod deadline;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::id::{PredictionId, VersionId};
use crate::json::Json;
use crate::model::ModelName;
use crate::text_enum;
use crate::time::Timestamp;
use crate::trace::SpanContext;
use crate::webhook::event::Webhook;

pub use apply::{Completed, Event, InvalidTransition, Loss, Report, RunEnd, Transition, Wants};
pub use chunk::{Chunk, ChunkEvent, InvalidChunk};
pub use content::{Content, OutputContent};
pub use deadline::{Deadline, DeadlineKind, Limits};

/// What was asked for. It never changes, except that its input is emptied when data is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The prediction's name.
    pub id: PredictionId,
    /// Whose it is.
    pub account: AccountId,
    /// Prediction or training.
    pub kind: Kind,
    /// The model, also when the caller named only a version.
    pub model: ModelName,
    /// The version that runs.
    pub version: VersionId,
    /// Who created it: a program or a person.
    pub source: Source,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The input, validated.
    pub input: Json,
    /// Where to send webhooks, if anywhere.
    pub webhook: Option<Webhook>,
    /// From `Cancel-After`: it is canceled or aborted then.
    pub cancel_at: Option<Timestamp>,
    /// Whether the model yields output bit by bit, so that there is a stream to offer.
    pub streams: bool,
    /// For a training: the model that its result becomes a version of.
    pub destination: Option<ModelName>,
    /// The span that caused it: the request's own, or its caller's when that is not shown.
    pub trace: Option<SpanContext>,
}

/// The owner of predictions, tokens and secrets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub Arc<str>);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_enum! {
    /// What kind of work it is.
    Kind {
        /// A run of a model.
        Prediction = "prediction",
        /// A run that makes a new version of a model.
        Training = "training",
    }
}

text_enum! {
    /// Who created it.
    Source {
        /// A program, through the API.
        Api = "api",
        /// A person, through the dashboard.
        Web = "web",
    }
}

text_enum! {
    /// The state's name on the wire.
    Status {
        /// Accepted; waiting for a free instance, or for the model to start.
        Starting = "starting",
        /// The model is working on it.
        Processing = "processing",
        /// Ended with a result.
        Succeeded = "succeeded",
        /// Ended with an error.
        Failed = "failed",
        /// Ended because somebody, or a deadline while it ran, said so.
        Canceled = "canceled",
        /// Ended because `Cancel-After` expired before it had started.
        Aborted = "aborted",
    }
}

impl Status {
    /// Whether nothing can follow.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Starting | Self::Processing)
    }
}

/// Where a prediction is in its life, with the data that exists only there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Accepted, not yet begun.
    Starting,
    /// The model has begun.
    Processing {
        /// When it began.
        started_at: Timestamp,
    },
    /// Over.
    Ended(Ended),
}

/// The end of a prediction. Nothing leaves this state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// When the model had begun, if it had.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Timestamp,
}

/// How a prediction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Succeeded,
    /// With an error, whose text is for the user.
    Failed(String),
    /// By request, or by a deadline while it ran.
    Canceled,
    /// By a deadline before it had started.
    Aborted,
}

impl State {
    /// The state's name on the wire.
    pub const fn status(&self) -> Status {
        match self {
            Self::Starting => Status::Starting,
            Self::Processing { .. } => Status::Processing,
            Self::Ended(ended) => match ended.outcome {
                Outcome::Succeeded => Status::Succeeded,
                Outcome::Failed(_) => Status::Failed,
                Outcome::Canceled => Status::Canceled,
                Outcome::Aborted => Status::Aborted,
            },
        }
    }

    /// When the model began, if it has.
    pub const fn started_at(&self) -> Option<Timestamp> {
        match self {
            Self::Starting => None,
            Self::Processing { started_at } => Some(*started_at),
            Self::Ended(ended) => ended.started_at,
        }
    }

    /// When the prediction ended, if it has.
    pub const fn completed_at(&self) -> Option<Timestamp> {
        match self {
            Self::Ended(ended) => Some(ended.completed_at),
            _ => None,
        }
    }

    /// The error for the user: only a failed prediction has one.
    pub const fn error(&self) -> Option<&str> {
        match self {
            Self::Ended(Ended { outcome: Outcome::Failed(error), .. }) => Some(error.as_str()),
            _ => None,
        }
    }
}

/// A prediction as it is durable at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// What was asked.
    pub request: Arc<Request>,
    /// Where it is in its life.
    pub state: State,
    /// What the model has said so far.
    pub content: Content,
    /// Counts committed transitions. A transition names the revision that it was made from.
    pub revision: u64,
    /// The number that the next event of the stream gets; numbers begin at 0.
    pub next_event: u64,
    /// Whether input, output and logs have been removed by retention.
    pub data_removed: bool,
}

impl Prediction {
    /// A prediction that has just been accepted.
    pub fn new(request: Request) -> Self {
        Self {
            request: Arc::new(request),
            state: State::Starting,
            content: Content::default(),
            revision: 0,
            next_event: 0,
            data_removed: false,
        }
    }

    /// Its name.
    pub fn id(&self) -> PredictionId {
        self.request.id
    }

    /// Its state's name on the wire.
    pub fn status(&self) -> Status {
        self.state.status()
    }
}
