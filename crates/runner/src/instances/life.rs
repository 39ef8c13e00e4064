//! The life of one instance: from its start until nothing is left of it.

use std::error::Error;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::boot::Boot;
use super::fleet::{Event, InstanceNo, UNKNOWN_END};
use super::instance::{BootError, Instance};
use super::pool::Pool;

/// Starts an instance, keeps it until it dies or has to stop, and removes what is left.
pub(super) async fn live(pool: Arc<Pool>, no: InstanceNo, boot: Arc<Boot>, stop: CancellationToken) {
    // Also when the runtime's code breaks.
    let _gone = Gone { pool: Arc::clone(&pool), no };
    match stop.run_until_cancelled(pool.launcher.launch(&boot)).await {
        Some(Ok(instance)) => attend(&pool, no, instance, stop).await,
        Some(Err(error)) => pool.tell(Event::BootFailed(no, sentence(&error).into())),
        None => {}
    }
}

/// Why an instance died, for users.
pub(super) fn cause_of_death(instance: &dyn Instance) -> Arc<str> {
    instance.cause_of_death().map_or_else(|| UNKNOWN_END.into(), Into::into)
}

async fn attend(pool: &Arc<Pool>, no: InstanceNo, instance: Arc<dyn Instance>, stop: CancellationToken) {
    if let Some(entry) = pool.lock().instances.get_mut(&no) {
        entry.instance = Some(Arc::clone(&instance));
    }
    pool.tell(Event::Ready(no, instance.slots()));
    let dead = instance.dead();
    tokio::select! {
        () = dead.cancelled() => pool.tell(Event::Died(no, cause_of_death(&*instance))),
        () = stop.cancelled() => {}
    }
    instance.stop().await;
}

/// The error with its causes, because a user sees one line.
pub(super) fn sentence(error: &BootError) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

struct Gone {
    pool: Arc<Pool>,
    no: InstanceNo,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.pool.tell(Event::Gone(self.no));
    }
}
