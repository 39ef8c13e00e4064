//! How a running model speaks, sleeps and learns that it should stop.
//!
//! Owns the sending end of a run's channel. Every await here ends at once when the run is cancelled or when nobody
//! listens any more, so a runtime that only waits through its [`Reporter`] always stops promptly. Knows nothing of models.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::json::Json;
use cogwire_core::time::Clock;
use tokio::sync::mpsc;
use tokio::task::coop;
use tokio_util::sync::CancellationToken;

use crate::event::{End, Output, RunEvent};

/// Why a run should stop before its model is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Its token was cancelled; the caller waits to hear that it has ended.
    Canceled,
    /// The caller dropped the channel; nobody waits.
    Abandoned,
}

/// The side of a run that belongs to the model.
pub(crate) struct Reporter {
    events: mpsc::Sender<RunEvent>,
    cancel: CancellationToken,
    clock: Arc<dyn Clock>,
}

impl Reporter {
    pub(crate) fn new(
        events: mpsc::Sender<RunEvent>,
        cancel: CancellationToken,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { events, cancel, clock }
    }

    /// Says that the model has begun to work on the input.
    pub(crate) async fn started(&self) -> Result<(), Stopped> {
        self.send(RunEvent::Started).await
    }

    /// Appends to the logs.
    pub(crate) async fn log(&self, text: impl Into<String> + Send) -> Result<(), Stopped> {
        self.send(RunEvent::Log(text.into())).await
    }

    /// Reports a metric.
    pub(crate) async fn metric(&self, name: &str, value: Json) -> Result<(), Stopped> {
        self.send(RunEvent::Metric(name.to_owned(), value)).await
    }

    /// Reports a piece of the output.
    pub(crate) async fn output(&self, output: Output) -> Result<(), Stopped> {
        self.send(RunEvent::Output(output)).await
    }

    /// Waits for `duration`, on the runner's clock.
    pub(crate) async fn sleep(&self, duration: Duration) -> Result<(), Stopped> {
        if duration.is_zero() {
            return self.breathe().await;
        }
        tokio::select! {
            biased;
            stopped = self.stopped() => Err(stopped),
            () = self.clock.sleep(duration) => Ok(()),
        }
    }

    /// Waits for the end of the run.
    pub(crate) async fn stopped(&self) -> Stopped {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Stopped::Canceled,
            () = self.events.closed() => Stopped::Abandoned,
        }
    }

    /// Lets other tasks run. A loop that may neither send nor sleep calls this once per turn.
    pub(crate) async fn breathe(&self) -> Result<(), Stopped> {
        coop::consume_budget().await;
        if self.cancel.is_cancelled() {
            return Err(Stopped::Canceled);
        }
        if self.events.is_closed() { Err(Stopped::Abandoned) } else { Ok(()) }
    }

    /// Says how the run ended. Consumes the reporter: nothing follows the end.
    pub(crate) async fn end(self, outcome: Result<End, Stopped>) {
        let end = match outcome {
            Ok(end) => end,
            Err(Stopped::Canceled) => End::Canceled,
            Err(Stopped::Abandoned) => return,
        };
        // Fails only when the caller has gone, and then there is nobody left to tell.
        let _ = self.events.send(RunEvent::Ended(end)).await;
    }

    /// Says anything but the end.
    pub(crate) async fn send(&self, event: RunEvent) -> Result<(), Stopped> {
        self.breathe().await?;
        let event = match self.events.try_send(event) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Stopped::Abandoned),
            Err(mpsc::error::TrySendError::Full(event)) => event,
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Stopped::Canceled),
            sent = self.events.send(event) => sent.map_err(|_| Stopped::Abandoned),
        }
    }
}
