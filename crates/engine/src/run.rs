//! One run of one prediction: from the claim to its end.
//!
//! The loop owns the prediction. It takes what the model says, makes it durable (at once the first time, then at most
//! once in every flush interval), and stops when the run has ended or the prediction is no longer its own.

mod durable;

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::json::{Json, MAX_DEPTH};
use cogwire_core::prediction::{ChunkEvent, Kind, Prediction, Report, RunEnd, Status};
use cogwire_core::time::Timestamp;
use cogwire_core::trace::SpanContext;
use cogwire_runner::{End, Job, Output, Produced, RunEvent};
use cogwire_store::prediction::{Claimed, Lease};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::error::{Error, with_causes};
use crate::slots::Slot;
use crate::spans::RunSpan;

/// The first pause between two tries of what the store could not do.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// How long the mere start of a run waits for something that goes into the same commit. A model that is faster than this
/// ends in one commit; what it says is never held up.
const START_GRACE: Duration = Duration::from_millis(2);

/// The longest pause between two tries of a commit that the store could not take.
const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// The most text and values that are gathered for one commit; the model waits while it is made.
const MOST_PENDING: usize = 4096;

/// A run in progress.
struct RunLoop {
    shared: Arc<Shared>,
    place: Place,
    prediction: Prediction,
    lease: Lease,
    claimed_at: Timestamp,
    /// What the model is told of the trace that it is part of.
    trace: Option<SpanContext>,
    /// What the model has said that is not durable yet.
    pending: Report,
    /// How much it has said in all, in bytes.
    said: usize,
    /// What a training has made; it becomes a version when the training succeeds.
    trained: Option<Produced>,
    /// No commit of progress before then.
    next_flush: Timestamp,
    cancel: CancellationToken,
}

/// Whether the run goes on.
#[derive(PartialEq, Eq)]
enum Going {
    On,
    Over,
}

impl Shared {
    /// Runs a claimed prediction on a task of its own. The slot is free again when the model has really stopped.
    pub(crate) fn start_run(self: &Arc<Self>, claimed: Claimed, slot: Slot) {
        let shared = self.clone();
        let cancel = self.hard.child_token();
        let id = claimed.prediction.id();
        self.lock_running().insert(id, cancel.clone());
        let place = Place { shared: shared.clone(), id, slot: Some(slot) };
        let now = self.clock.now();
        let span = RunSpan::begin(self, &claimed, now);
        let trace = span.as_ref().map(RunSpan::context).or(claimed.prediction.request.trace);
        let run = RunLoop::new(shared, claimed, place, now, trace, cancel);
        // Boxed, because a large future is copied again and again on its way to a task.
        self.tracker.spawn(Box::pin(async move {
            let last = run.run().await;
            if let Some(span) = span {
                span.end(last).await;
            }
        }));
    }
}

/// A run's place on this node. It is free again however the run ends, also when its code breaks.
struct Place {
    shared: Arc<Shared>,
    id: PredictionId,
    /// There until this is dropped.
    slot: Option<Slot>,
}

impl Place {
    /// The model is done with this run. Whoever is next need not wait until its end is durable.
    fn leave_instance(&mut self) {
        if self.slot.as_mut().is_some_and(Slot::leave_instance) {
            self.shared.work.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.lock_running().remove(&self.id);
        // Free before anybody is woken who looks for it.
        self.slot = None;
        // Wakes whoever waits for the slot, and the stop that waits for the last run.
        self.shared.work.notify_one();
    }
}

impl RunLoop {
    fn new(
        shared: Arc<Shared>,
        claimed: Claimed,
        place: Place,
        claimed_at: Timestamp,
        trace: Option<SpanContext>,
        cancel: CancellationToken,
    ) -> Self {
        metrics::histogram!("cogwire_prediction_queue_seconds")
            .record(claimed_at.since(claimed.prediction.request.created_at).as_secs_f64());
        Self {
            shared,
            place,
            prediction: claimed.prediction,
            lease: claimed.lease,
            claimed_at,
            trace,
            pending: Report::default(),
            said: 0,
            trained: None,
            next_flush: claimed_at,
            cancel,
        }
    }

    /// Says how the prediction stood at the end of the run, as far as the run knows.
    async fn run(mut self) -> Status {
        match self.input().await {
            Some(input) => self.run_on(input).await,
            None => self.release_if_unbegun().await,
        }
        self.prediction.status()
    }

    async fn run_on(&mut self, input: Json) {
        let request = &self.prediction.request;
        let job = Job {
            prediction: request.id,
            version: request.version.clone(),
            kind: request.kind,
            input,
            trace: self.trace,
        };
        match self.shared.runner.start(job, self.cancel.clone()) {
            Ok(mut run) => {
                self.follow(&mut run.events).await;
                self.release_if_unbegun().await;
            }
            Err(unknown) => {
                self.pending.end = Some(RunEnd::Failed(unknown.to_string()));
                self.flush().await;
            }
        }
    }

    /// The input as the model is to get it; `None` when the run is over before it began. Models that are part of this program
    /// read no files.
    async fn input(&mut self) -> Option<Json> {
        let request = self.prediction.request.clone();
        if self.shared.runner.capacity(&request.version).is_none() {
            return Some(request.input.clone());
        }
        let mut pause = FIRST_RETRY;
        loop {
            match self.shared.resolve_input(&request).await {
                Ok(input) => return Some(input),
                Err(Error::Store(error)) if error.is_temporary() => {
                    tracing::warn!(prediction_id = %request.id, %error, "the files of an input could not be looked up; trying again");
                    if self.pause(pause).await == Going::Over {
                        return None;
                    }
                    pause = (pause * 2).min(LONGEST_RETRY);
                }
                Err(error) => {
                    self.pending.end = Some(RunEnd::Failed(with_causes(&error)));
                    self.flush().await;
                    return None;
                }
            }
        }
    }

    async fn follow(&mut self, events: &mut mpsc::Receiver<RunEvent>) {
        while self.step(events).await == Going::On {}
        // The model is told to stop when its prediction ended without it; the slot is held until it has.
        self.cancel.cancel();
        while events.recv().await.is_some() {}
    }

    async fn step(&mut self, events: &mut mpsc::Receiver<RunEvent>) -> Going {
        let flush_due = self.has_pending();
        let room = self.pending.events.len() < MOST_PENDING;
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Going::Over,
            event = events.recv(), if room => self.take(event, events).await,
            () = self.shared.clock.sleep(self.until_flush()), if flush_due => self.flush().await,
        }
    }

    /// Takes one event and all that came with it: what is already there belongs in the same commit.
    async fn take(&mut self, first: Option<RunEvent>, events: &mut mpsc::Receiver<RunEvent>) -> Going {
        let Some(first) = first else { return self.lost().await };
        let mut next = Some(first);
        while let Some(event) = next {
            if self.fold(event).await == Going::Over {
                return self.flush().await;
            }
            next = if self.pending.events.len() < MOST_PENDING { events.try_recv().ok() } else { None };
        }
        if self.until_flush().is_zero() { self.flush().await } else { Going::On }
    }

    /// How long the next commit of progress has to wait: at most one interval, even when the clock was set back.
    fn until_flush(&self) -> Duration {
        let only_start = self.pending.started_at.filter(|_| self.pending.events.is_empty());
        let due = only_start.map_or(self.next_flush, |at| self.next_flush.max(at + START_GRACE));
        due.since(self.shared.clock.now()).min(self.shared.config.stream_flush)
    }

    async fn fold(&mut self, event: RunEvent) -> Going {
        if matches!(event, RunEvent::Ended(_)) {
            self.place.leave_instance();
        }
        match event {
            RunEvent::Started => {
                self.pending.started_at.get_or_insert(self.shared.clock.now());
            }
            RunEvent::Log(text) => return self.push(ChunkEvent::Log(text)),
            RunEvent::Metric(name, value) => return self.push(ChunkEvent::Metric(name, value)),
            RunEvent::Output(output) => return self.fold_output(output).await,
            // Either somebody else has ended the prediction, or the server is stopping and the next start decides.
            RunEvent::Ended(End::Canceled) if self.cancel.is_cancelled() => {
                self.pending = Report::default();
                return Going::Over;
            }
            RunEvent::Ended(End::Succeeded) if self.is_training() => return self.publish().await,
            RunEvent::Ended(end) => {
                self.pending.end = Some(run_end(end));
                return Going::Over;
            }
        }
        Going::On
    }

    /// Adds to what is pending, unless the model has said too much: then that is its end.
    fn push(&mut self, event: ChunkEvent) -> Going {
        // An item becomes part of a list, which is one level deeper.
        if let ChunkEvent::Item(item) = &event
            && item.depth() >= MAX_DEPTH
        {
            self.pending.end = Some(RunEnd::Failed("The model's output is nested too deeply".to_owned()));
            return Going::Over;
        }
        self.said += event.size();
        if self.said > self.shared.config.max_content {
            let most = self.shared.config.max_content >> 20;
            self.pending.end =
                Some(RunEnd::Failed(format!("The model's logs and output are longer than {most} MiB")));
            return Going::Over;
        }
        self.pending.events.push(event);
        Going::On
    }

    fn is_training(&self) -> bool {
        self.prediction.request.kind == Kind::Training
    }

    /// The end of a training that the model has finished: its output is the version that it made.
    async fn publish(&mut self) -> Going {
        let publishing = Box::pin(self.shared.publish_training(&self.prediction, self.trained.take()));
        let Some(published) = self.cancel.run_until_cancelled(publishing).await else {
            self.pending = Report::default();
            return Going::Over;
        };
        self.pending.end = match published {
            Ok(output) => {
                self.pending.events.push(ChunkEvent::Value(output));
                Some(RunEnd::Succeeded)
            }
            Err(error) => Some(RunEnd::Failed(with_causes(&error))),
        };
        Going::Over
    }

    async fn fold_output(&mut self, output: Output) -> Going {
        if self.is_training() {
            let (Output::Value(produced) | Output::Item(produced)) = output;
            self.trained = Some(produced);
            return Going::On;
        }
        let (produced, event): (_, fn(_) -> _) = match output {
            Output::Value(produced) => (produced, ChunkEvent::Value),
            Output::Item(produced) => (produced, ChunkEvent::Item),
        };
        match self.shared.keep_output(self.prediction.id(), produced).await {
            Ok(value) => self.push(event(value)),
            Err(error) => {
                let error = with_causes(&error);
                self.pending.end =
                    Some(RunEnd::Failed(format!("The output file could not be stored (E9825): {error}")));
                Going::Over
            }
        }
    }

    /// The model went away without a last word.
    async fn lost(&mut self) -> Going {
        if self.cancel.is_cancelled() {
            return Going::Over;
        }
        self.pending.end = Some(RunEnd::Failed("The model stopped without a result (E8367)".to_owned()));
        self.flush().await
    }
}

fn run_end(end: End) -> RunEnd {
    match end {
        End::Succeeded => RunEnd::Succeeded,
        End::Failed(error) => RunEnd::Failed(error),
        End::Canceled => RunEnd::Canceled,
    }
}
