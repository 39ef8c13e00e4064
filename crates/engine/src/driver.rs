//! Background work: an [`Activity`] does one round, the driver owns its timer, its wake-up and its failures.
//!
//! Tests call an activity directly; in production the driver does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::time::Clock;
use cogwire_store as store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// One round's result: whether another round would find more to do at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Nothing more to do now.
    Done,
    /// The round's bound was reached.
    More,
}

/// The future of one round.
pub type RoundFuture<'a> = Pin<Box<dyn Future<Output = store::Result<Round>> + Send + 'a>>;

/// Something that is done again and again.
pub trait Activity: Send + Sync + 'static {
    /// Its name in logs and metrics.
    fn name(&self) -> &'static str;

    /// Does one bounded round.
    fn activate(&self) -> RoundFuture<'_>;
}

/// When an activity is due.
#[derive(Debug, Clone)]
pub struct Timing {
    /// At the latest after this long.
    pub every: Duration,
    /// And whenever this is notified.
    pub wake: Arc<Notify>,
}

/// Runs an activity until `stop`. A round that fails is logged and tried again at the next due time: what an activity does
/// must be found again by looking at the store.
pub async fn drive(activity: impl Activity, timing: Timing, clock: Arc<dyn Clock>, stop: CancellationToken) {
    loop {
        // Interest is registered before the round looks, so what arrives during the round is not missed.
        let woken = timing.wake.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        if round(&activity).await == Round::More && !stop.is_cancelled() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = woken => {}
            () = clock.sleep(timing.every) => {}
        }
    }
}

async fn round(activity: &impl Activity) -> Round {
    match activity.activate().await {
        Ok(round) => round,
        Err(error) => {
            tracing::warn!(activity = activity.name(), %error, "a round of background work failed and will be repeated");
            metrics::counter!("cogwire_background_failures_total", "activity" => activity.name())
                .increment(1);
            Round::Done
        }
    }
}
