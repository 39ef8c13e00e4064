//! A Cog server that is ready, as an instance.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use cogwire_core::time::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::callbacks::Callbacks;
use super::client::{Call, Client};
use super::facts::Facts;
use super::health::{Health, Verdict};
use super::run;
use crate::Job;
use crate::event::End;
use crate::instances::instance::Instance;
use crate::reporter::{Reporter, Stopped};

/// How long a server may take to say how it is.
pub(super) const HEALTH: Duration = Duration::from_secs(15);

/// A server that runs somewhere; nothing of it is ours.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) client: Client,
    pub(super) facts: Facts,
    pub(super) callbacks: Option<Callbacks>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cancel_timeout: Duration,
    slots: usize,
    /// Callbacks of this server have arrived, so others will.
    calls_back: AtomicBool,
    dead: CancellationToken,
    cause: OnceLock<String>,
}

/// What the instance is: the server, shared with what watches its runs, and those runs.
#[derive(Clone)]
pub(super) struct Ready {
    server: Arc<Server>,
    /// Counts them; they are tasks of the caller.
    runs: TaskTracker,
}

impl Server {
    pub(super) fn new(
        client: Client,
        url: String,
        facts: Facts,
        callbacks: Option<Callbacks>,
        clock: Arc<dyn Clock>,
        (slots, cancel_timeout): (usize, Duration),
    ) -> Self {
        Self {
            url,
            client,
            facts,
            callbacks,
            clock,
            cancel_timeout,
            slots: slots.max(1),
            calls_back: AtomicBool::new(false),
            dead: CancellationToken::new(),
            cause: OnceLock::new(),
        }
    }

    /// A callback has arrived.
    pub(super) fn heard(&self) {
        self.calls_back.store(true, Ordering::Relaxed);
    }

    /// Whether callbacks arrive.
    pub(super) fn calls_back(&self) -> bool {
        self.calls_back.load(Ordering::Relaxed)
    }

    /// Takes no more runs; the cause is for users.
    pub(super) fn die(&self, cause: String) {
        let _ = self.cause.set(cause);
        self.dead.cancel();
    }

    /// After something went wrong: whether the server can go on. When it cannot, this instance is over.
    pub(super) async fn examine(&self) {
        let cause = match self.client.call(Call::get("/health-check"), HEALTH).await {
            Err(error) => error.to_string(),
            Ok(answer) => match Health::read(&answer) {
                Some(health) if health.lives() => return,
                Some(health) => match health.verdict() {
                    Verdict::Works | Verdict::Wait => "it has been restarted".to_owned(),
                    Verdict::SetupFailed(error) => format!("its setup failed: {error}"),
                    Verdict::Broken(why) => why,
                },
                None => "it does not answer like a Cog server any more".to_owned(),
            },
        };
        self.die(format!("The model's server at {} is gone: {cause}", self.url));
    }
}

impl Ready {
    pub(super) fn new(server: Server) -> Self {
        Self { server: Arc::new(server), runs: TaskTracker::new() }
    }

    /// Asks the server to end. Whether it does is for others to see.
    pub(super) async fn ask_to_end(&self, within: Duration) {
        let _ = self.server.client.call(Call::post("/shutdown".to_owned()), within).await;
    }
}

#[async_trait]
impl Instance for Ready {
    fn slots(&self) -> usize {
        self.server.slots
    }

    async fn run(&self, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
        self.runs.track_future(run::run(&self.server, job, reporter)).await
    }

    fn dead(&self) -> CancellationToken {
        self.server.dead.clone()
    }

    fn cause_of_death(&self) -> Option<String> {
        self.server.cause.get().cloned()
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    /// The server goes on, because it is not ours; only the connections to it end. A run that hangs may be all that is
    /// wrong with it, so those that are left go on to their own ends first.
    async fn stop(&self) {
        self.runs.close();
        self.runs.wait().await;
        self.server.client.close().await;
    }
}
