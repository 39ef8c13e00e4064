//! A server of ours that is ready, as an instance.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cogwire_core::json::Json;
use tokio::process::ChildStdin;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Job;
use crate::event::End;
use crate::instances::instance::Instance;
use crate::reporter::{Reporter, Stopped};
use crate::runtime::cog_http::server::Ready;
use crate::runtime::cog_model::{Life, NOT_CANCELLED, Optional};
use crate::temporary::TemporaryFolder;

/// How long a server that takes no more runs may take to end by itself, so that its own end is what is told.
const EXIT_GRACE: Duration = Duration::from_secs(2);

/// A server and its process.
pub(super) struct LocalServer {
    ready: Ready,
    life: Arc<Life>,
    /// What is `null` when it is not given, if the server does not know it.
    optional: Option<Optional>,
    cancel_timeout: Duration,
    stop_grace: Duration,
    /// For its temporary files, and to hold it: it ends itself when its standard input ends.
    _kept: (TemporaryFolder, ChildStdin),
}

/// All but the server itself.
pub(super) struct Parts {
    pub(super) life: Arc<Life>,
    pub(super) leash: ChildStdin,
    pub(super) folder: TemporaryFolder,
    pub(super) optional: Option<Optional>,
    pub(super) cancel_timeout: Duration,
    pub(super) stop_grace: Duration,
}

impl LocalServer {
    pub(super) fn new(ready: Ready, parts: Parts, tracker: &TaskTracker) -> Self {
        let Parts { life, leash, folder, optional, cancel_timeout, stop_grace } = parts;
        tracker.spawn(attend(Arc::clone(&life), ready.clone()));
        Self { ready, life, optional, cancel_timeout, stop_grace, _kept: (folder, leash) }
    }

    fn completed(&self, job: &Job) -> Job {
        let input = self.optional.as_ref().map(|optional| Json::from_value(&optional.arguments(&job.input)));
        Job { input: input.unwrap_or_else(|| job.input.clone()), ..job.clone() }
    }
}

#[async_trait]
impl Instance for LocalServer {
    fn slots(&self) -> usize {
        self.ready.slots()
    }

    async fn run(&self, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
        let ended = self.ready.run(&self.completed(job), reporter).await;
        if !self.ready.dead().is_cancelled() {
            return ended;
        }
        match ended {
            // It is known better why the server did not answer.
            Ok(End::Failed(_)) => Ok(End::Failed(self.life.death().await)),
            Err(stopped) => {
                self.life.kill(format!("{NOT_CANCELLED} {} s.", self.cancel_timeout.as_secs_f64()));
                self.life.death().await;
                Err(stopped)
            }
            ended => ended,
        }
    }

    fn dead(&self) -> CancellationToken {
        self.life.dead()
    }

    fn cause_of_death(&self) -> Option<String> {
        self.life.cause()
    }

    fn pid(&self) -> Option<u32> {
        Some(self.life.process.id())
    }

    async fn stop(&self) {
        self.life.blame("The model process was stopped.");
        let politely = async {
            self.ready.ask_to_end(self.stop_grace).await;
            self.life.process.exited().await
        };
        tokio::select! {
            _ = politely => {}
            () = self.life.clock.sleep(self.stop_grace) => self.life.process.kill(),
        }
        self.life.death().await;
        self.ready.stop().await;
    }
}

/// Waits for the end of the process, and brings it about when the server is of no use any more.
async fn attend(life: Arc<Life>, ready: Ready) {
    tokio::select! {
        _ = life.process.exited() => {}
        () = ready.dead().cancelled_owned() => tokio::select! {
            _ = life.process.exited() => {}
            () = life.clock.sleep(EXIT_GRACE) => {
                life.kill(ready.cause_of_death().unwrap_or_default());
            }
        },
    }
    life.end().await;
}
