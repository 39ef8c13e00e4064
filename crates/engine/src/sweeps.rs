//! What must happen although nobody asks: deadlines, retention, and that each has its timer.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::{DeadlineKind, Event};
use cogwire_store as store;
use cogwire_store::Signal;
use cogwire_store::prediction::Overdue;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::dispatch::Dispatch;
use crate::driver::{Activity, Round, RoundFuture, Timing, drive};
use crate::figures::Figures;
use crate::reports::Reports;
use crate::unowned::UnownedFiles;
use crate::{Engine, Shared};

/// The most overdue or lost predictions that one round ends.
pub(crate) const BATCH: u32 = 100;

/// How much longer than it may be used an upload is kept: a create that was allowed to name it is durable by then, and so is
/// that it does.
const UPLOAD_GRACE: Duration = Duration::from_secs(60);

macro_rules! activity {
    ($(#[$doc:meta])* $name:ident, $label:literal, $method:ident) => {
        $(#[$doc])*
        struct $name(Arc<Shared>);

        impl Activity for $name {
            fn name(&self) -> &'static str {
                $label
            }

            fn activate(&self) -> RoundFuture<'_> {
                Box::pin(self.0.$method())
            }
        }
    };
}

activity!(
    /// Ends predictions whose time is over.
    Deadlines, "deadlines", end_overdue
);
activity!(
    /// Keeps this node's lease alive, and takes over from nodes whose lease has ended.
    Heartbeat, "heartbeat", beat
);
activity!(
    /// Removes the data of old predictions.
    DataRetention, "data retention", remove_expired
);
activity!(
    /// Looks for versions that this node should run.
    Models, "models", look_for_models
);
activity!(
    /// Deletes uploads whose time is over.
    Uploads, "uploads", remove_uploads
);
activity!(
    /// Deletes old messages, and keys that are forgotten.
    WebhookRetention, "webhook retention", sweep_webhooks
);

impl Engine {
    /// Joins the store as a node: begins the epoch, registers the models that this node runs, and takes over what earlier
    /// runs left behind.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn start(&self) -> store::Result<()> {
        let shared = &self.0;
        shared.join().await?;
        shared.register_models().await?;
        while shared.take_over().await? == Round::More {}
        shared.forget_gone_parts().await;
        Ok(())
    }

    /// Does the background work until `hard`, or until `soft` and the end of the last run. What still runs at a hard stop is
    /// taken over by the next start.
    pub async fn run_until_idle(&self, soft: CancellationToken, hard: CancellationToken) {
        let shared = &self.0;
        let stop_background = CancellationToken::new();
        shared.spawn_background(&stop_background);
        tokio::select! {
            () = soft.cancelled() => {}
            () = hard.cancelled() => {}
        }
        shared.soft.cancel();
        tokio::select! {
            () = shared.idle() => {}
            () = hard.cancelled() => {}
        }
        shared.hard.cancel();
        shared.runner.stop().await;
        stop_background.cancel();
        shared.tracker.close();
        shared.tracker.wait().await;
    }

    /// Leaves the store, as the last act: what this node holds can be taken over at once.
    ///
    /// # Errors
    /// When the store refuses: the work is then taken over when the lease ends.
    pub async fn leave(&self) -> store::Result<()> {
        self.0.store.retire_node(&self.0.node).await?;
        self.0.store.signal(Signal::Nodes);
        Ok(())
    }
}

impl Shared {
    fn spawn_background(self: &Arc<Self>, stop: &CancellationToken) {
        let poll = self.config.poll;
        let quiet = || Arc::new(Notify::new());
        self.tracker.spawn(self.clone().listen(stop.clone()));
        if self.config.runs {
            self.spawn_activity(Dispatch::new(self.clone()), poll, self.work.clone(), stop);
            self.spawn_activity(Models(self.clone()), poll, quiet(), stop);
        }
        self.spawn_activity(Deadlines(self.clone()), poll / 4, quiet(), stop);
        self.spawn_activity(Heartbeat(self.clone()), self.config.lease / 3, self.heart.clone(), stop);
        self.spawn_activity(DataRetention(self.clone()), self.config.sweep, quiet(), stop);
        self.spawn_activity(UnownedFiles::new(self.clone()), self.config.sweep, quiet(), stop);
        self.spawn_activity(Uploads(self.clone()), self.config.sweep, quiet(), stop);
        self.spawn_activity(WebhookRetention(self.clone()), self.config.sweep, quiet(), stop);
        self.spawn_activity(Reports::new(self.clone()), self.config.sweep, quiet(), stop);
        self.spawn_activity(Figures::new(self.clone()), poll * 5, quiet(), stop);
    }

    fn spawn_activity(
        self: &Arc<Self>,
        activity: impl Activity,
        every: Duration,
        wake: Arc<Notify>,
        stop: &CancellationToken,
    ) {
        let timing = Timing { every, wake };
        self.tracker.spawn(drive(activity, timing, self.clock.clone(), stop.clone()));
    }

    /// Ready when no prediction runs here. Runs signal `work` when they end.
    async fn idle(&self) {
        loop {
            let ended = self.work.notified();
            if self.lock_running().is_empty() {
                return;
            }
            tokio::select! {
                () = ended => {}
                () = self.clock.sleep(Duration::from_millis(100)) => {}
            }
        }
    }

    async fn end_overdue(&self) -> store::Result<Round> {
        let overdue = self.store.overdue(self.clock.now(), BATCH).await?;
        for prediction in &overdue {
            let event = self.why_overdue(*prediction).await?;
            self.end_or_log(prediction.id, event).await?;
        }
        Ok(more_if(overdue.len() as u64, BATCH))
    }

    /// One that has waited in vain is told whether anybody could have run it.
    async fn why_overdue(&self, overdue: Overdue) -> store::Result<Event> {
        if overdue.kind == DeadlineKind::Queue
            && let Some(prediction) = self.store.load(overdue.id).await?
            && !self.is_served(&prediction.request.version).await?
        {
            return Ok(Event::Unserved);
        }
        Ok(Event::Expired(overdue.kind))
    }

    /// Ends a prediction of many: one that cannot be read must not keep the others from their end.
    pub(crate) async fn end_or_log(&self, id: PredictionId, event: Event) -> store::Result<()> {
        match self.end(id, event).await {
            Err(error) if !error.is_temporary() => {
                tracing::error!(prediction_id = %id, %error, "a prediction could not be ended");
                Ok(())
            }
            outcome => outcome.map(|_| ()),
        }
    }

    async fn remove_expired(&self) -> store::Result<Round> {
        let expired = self.store.expired_data(self.clock.now(), self.config.sweep_batch).await?;
        let found = expired.len() as u64;
        let mut removed = Vec::with_capacity(expired.len());
        for prediction in expired {
            // Files first: while one cannot be deleted, the row still says that there is data.
            match self.delete_files(&prediction.files).await {
                Ok(()) => removed.push(prediction),
                Err(error) => {
                    tracing::warn!(prediction_id = %prediction.id, %error, "a file could not be deleted");
                }
            }
        }
        self.store.remove_data(&removed).await?;
        let progress = if removed.is_empty() { 0 } else { found };
        Ok(more_if(progress, self.config.sweep_batch))
    }

    async fn remove_uploads(&self) -> store::Result<Round> {
        let due = self.clock.now() - UPLOAD_GRACE;
        let expired = self.store.expired_uploads(due, self.config.sweep_batch).await?;
        let mut removed = 0;
        for upload in &expired {
            // As above: the bytes first.
            match self.files.delete(*upload).await {
                Ok(()) => {
                    self.store.remove_upload(*upload).await?;
                    removed += 1;
                }
                Err(error) => tracing::warn!(file_id = %upload, %error, "an upload could not be deleted"),
            }
        }
        let progress = if removed == 0 { 0 } else { expired.len() as u64 };
        Ok(more_if(progress, self.config.sweep_batch))
    }

    pub(crate) async fn delete_files(
        &self,
        files: &[cogwire_core::id::FileId],
    ) -> Result<(), cogwire_files::Error> {
        for file in files {
            self.files.delete(*file).await?;
        }
        Ok(())
    }

    async fn sweep_webhooks(&self) -> store::Result<Round> {
        let now = self.clock.now();
        let batch = self.config.sweep_batch;
        let keys = self.store.forget_idempotency_keys(now, batch).await?;
        let messages = match self.config.webhook_retention {
            Some(kept) => self.store.sweep_deliveries(now - kept, batch).await?,
            None => 0,
        };
        Ok(more_if(keys.max(messages), batch))
    }
}

pub(crate) fn more_if(done: u64, bound: u32) -> Round {
    if done >= u64::from(bound) { Round::More } else { Round::Done }
}
