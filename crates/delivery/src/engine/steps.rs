//! Steps as tasks: each one reports back, however it ends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use cogwire_store::handoff::HeldLane;
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Parts, sender};
use crate::attempt::Sender;
use crate::config::DeliveryConfig;
use crate::end::End;
use crate::verdict::Errand;

/// Begins steps and owns their tasks.
pub(super) struct Steps {
    sender: Arc<Sender>,
    /// As many reports wait as steps are under way at most, which the roster bounds, and the lanes of one claim.
    reports: mpsc::UnboundedSender<Report>,
    tasks: TaskTracker,
    hard: CancellationToken,
}

/// A step that is over.
pub(super) struct Report {
    pub(super) origin: Arc<str>,
    pub(super) held: Box<HeldLane>,
    pub(super) errand: Errand,
    pub(super) end: End,
}

impl Steps {
    pub(super) fn new(
        config: DeliveryConfig,
        parts: Parts,
        hard: CancellationToken,
    ) -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (reports, receiver) = mpsc::unbounded_channel();
        (Self { sender: Arc::new(sender(config, parts)), reports, tasks: TaskTracker::new(), hard }, receiver)
    }

    /// Begins the next step of a lane. `hard` drops it.
    pub(super) fn begin(&self, origin: Arc<str>, held: Box<HeldLane>, errand: Errand) {
        let (sender, reports, hard) = (Arc::clone(&self.sender), self.reports.clone(), self.hard.clone());
        // Boxed, because a large future is copied again and again on its way to a task.
        self.tasks.spawn(Box::pin(async move {
            let step = AssertUnwindSafe(sender.step(&held, errand)).catch_unwind();
            let end = match hard.run_until_cancelled(step).await {
                Some(Ok(end)) => end,
                Some(Err(_)) => panicked(&held),
                None => End::Dropped,
            };
            let _ = reports.send(Report { origin, held, errand, end });
        }));
    }

    /// Waits for every task.
    pub(super) async fn end(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Whether the message went out is not known. The lane is given back when an audit finds that nobody here knows it.
fn panicked(held: &HeldLane) -> End {
    tracing::error!(prediction_id = %held.lane.prediction, "sending a webhook ended in a bug; it is tried again later");
    End::Gone
}
