//! What traces show of a prediction on this node: how long it waited, and its run.

use std::sync::Arc;

use cogwire_core::prediction::{Request, Status};
use cogwire_core::time::Timestamp;
use cogwire_core::trace::{Attribute, Span, SpanContext, SpanId, SpanKind};
use cogwire_store::prediction::Claimed;

use crate::Shared;

/// What is said of a run that was stopped before anybody ended its prediction: it is run again, or ends as interrupted.
const INTERRUPTED: &str = "interrupted";

/// A run that a trace shows. Recorded when it is told to [`end`](RunSpan::end).
pub(crate) struct RunSpan {
    shared: Arc<Shared>,
    request: Arc<Request>,
    number: u32,
    context: SpanContext,
    parent: SpanId,
    started_at: Timestamp,
}

impl RunSpan {
    /// Begins the span of a run, if somebody wants to see it. The time that the prediction waited is over, and recorded at once;
    /// what came before a further run was not waiting alone.
    pub(crate) fn begin(shared: &Arc<Shared>, claimed: &Claimed, now: Timestamp) -> Option<Self> {
        let request = &claimed.prediction.request;
        let cause = request.trace?;
        let run = Self {
            shared: Arc::clone(shared),
            request: Arc::clone(request),
            number: claimed.run,
            context: shared.spans.child(cause, &*shared.entropy)?,
            parent: cause.span,
            started_at: now,
        };
        if claimed.run == 1 {
            run.record_wait(cause);
        }
        Some(run)
    }

    /// Its place, for what it causes.
    pub(crate) fn context(&self) -> SpanContext {
        self.context
    }

    fn record_wait(&self, cause: SpanContext) {
        self.shared.spans.record(Span {
            name: format!("wait {}", self.request.model).into(),
            kind: SpanKind::Internal,
            context: cause.child(&*self.shared.entropy),
            parent: Some(self.parent),
            started_at: self.request.created_at,
            ended_at: self.started_at.max(self.request.created_at),
            attributes: self.attributes(),
            error: None,
        });
    }

    /// The run is over, and this is how its prediction stood when the run last knew.
    pub(crate) async fn end(self, last: Status) {
        let ended_at = self.shared.clock.now();
        let status = if last.is_terminal() { Some(last) } else { self.ended_elsewhere().await };
        let mut attributes = self.attributes();
        attributes.push(("cogwire.run", self.number.into()));
        attributes.push(("cogwire.status", status.map_or(INTERRUPTED, Status::as_str).into()));
        let error = match status {
            Some(Status::Failed) => Some(Status::Failed.as_str()),
            Some(_) => None,
            None => Some(INTERRUPTED),
        };
        self.shared.spans.record(Span {
            name: format!("run {}", self.request.model).into(),
            kind: SpanKind::Internal,
            context: self.context,
            parent: Some(self.parent),
            started_at: self.started_at,
            ended_at,
            attributes,
            error,
        });
    }

    /// How somebody else ended the prediction: a caller, or a deadline.
    async fn ended_elsewhere(&self) -> Option<Status> {
        let found = self.shared.store.load(self.request.id).await.ok()??;
        Some(found.status()).filter(|status| status.is_terminal())
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let Request { id, model, version, .. } = &*self.request;
        vec![
            ("cogwire.prediction_id", id.as_str().into()),
            ("cogwire.model", model.as_str().into()),
            ("cogwire.version", version.as_str().into()),
        ]
    }
}
