//! Makes predictions happen: creates them, claims them, runs them, folds what models say, ends what is overdue.
//!
//! The engine knows the store, the runner and files. It knows neither HTTP nor how a webhook is sent: messages are rows
//! that it commits together with the change they are about, and lanes that it hands over.

mod commit;
pub mod config;
mod dispatch;
pub mod driver;
mod error;
mod figures;
pub mod hub;
mod inputs;
mod intake;
mod membership;
mod models;
mod outputs;
mod peers;
mod progress;
mod reports;
mod run;
mod slots;
mod spans;
mod stream;
mod sweeps;
mod unowned;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::time::{Clock, Entropy};
use cogwire_core::trace::Spans;
use cogwire_core::wire::Links;
use cogwire_files::Files;
use cogwire_runner::Runner;
pub use cogwire_runner::{BootPhase, BootProgress, InstanceReport};
use cogwire_store::handoff::Handoff;
use cogwire_store::{NodeEpoch, NodeLease, Store};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::{EngineConfig, OutputFiles};
pub use error::Error;
use peers::Peers;

pub use hub::{Durable, Hub, Subscription};
pub use intake::{Create, Created, IdempotencyKey};
pub use models::{AddError, ModelState, ModelsConfig, NewPackage, NewServer, Tell, Telling, Unready};
pub use progress::Progress;
pub use stream::Follow;

/// What the engine is made of.
pub struct Parts {
    /// Where everything is durable.
    pub store: Arc<dyn Store>,
    /// What runs models.
    pub runner: Runner,
    /// Where files are.
    pub files: Arc<Files>,
    /// The same files, with links for processes of this machine.
    pub inner_files: Arc<Files>,
    /// The same files, with links for Cog servers, when it is known how those reach this node.
    pub server_files: Option<Files>,
    /// How URLs look.
    pub links: Links,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where the spans of runs go.
    pub spans: Arc<dyn Spans>,
    /// Where lanes go that this node delivers; `None` on a node that does not deliver.
    pub handoff: Option<Handoff>,
    /// This run of this node.
    pub node: NodeEpoch,
    /// What it does, in words for people.
    pub roles: String,
    /// Its lease, which the engine extends.
    pub lease: Arc<NodeLease>,
    /// How models with a recipe are prepared here; `None` on a node that runs none.
    pub models: Option<ModelsConfig>,
}

/// The engine of one node. Clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) runner: Runner,
    pub(crate) files: Arc<Files>,
    pub(crate) inner_files: Arc<Files>,
    pub(crate) server_files: Option<Files>,
    pub(crate) links: Links,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) spans: Arc<dyn Spans>,
    pub(crate) handoff: Option<Handoff>,
    pub(crate) node: NodeEpoch,
    pub(crate) roles: String,
    pub(crate) lease: Arc<NodeLease>,
    pub(crate) peers: Peers,
    /// From when on this node gives up others whose lease is over, by the clock that does not step.
    pub(crate) gives_up_from: Mutex<Duration>,
    pub(crate) config: EngineConfig,
    pub(crate) hub: Hub,
    /// One permit for each prediction that may run here at once.
    pub(crate) slots: Arc<Semaphore>,
    /// What may be waiting for a slot.
    pub(crate) backlog: slots::Backlog,
    /// Wakes the dispatcher: something waits, or a slot became free.
    pub(crate) work: Arc<Notify>,
    /// Prepares versions with a recipe.
    pub(crate) workshop: Option<models::Workshop>,
    /// Who works on what those are made of.
    pub(crate) parts: models::Locks,
    /// How those versions stand here.
    pub(crate) noticed: models::Noticed,
    /// Wakes the heartbeat: a node has come or gone.
    pub(crate) heart: Arc<Notify>,
    /// The runs of this node, to stop them.
    pub(crate) running: Mutex<HashMap<PredictionId, CancellationToken>>,
    /// Predictions that the store took this node to run at the last look, and that did not.
    pub(crate) strays: Mutex<HashSet<(PredictionId, u64)>>,
    pub(crate) tracker: TaskTracker,
    /// No new work.
    pub(crate) soft: CancellationToken,
    /// Drop the work that there is.
    pub(crate) hard: CancellationToken,
}

impl Engine {
    /// Puts the parts together. Nothing happens before [`Engine::start`].
    pub fn new(parts: Parts, config: EngineConfig) -> Self {
        let workshop = parts.models.map(|config| models::Workshop::new(config, parts.files.clone()));
        Self(Arc::new(Shared {
            store: parts.store,
            runner: parts.runner,
            files: parts.files,
            inner_files: parts.inner_files,
            server_files: parts.server_files,
            links: parts.links,
            clock: parts.clock,
            entropy: parts.entropy,
            spans: parts.spans,
            handoff: parts.handoff,
            node: parts.node,
            roles: parts.roles,
            lease: parts.lease,
            peers: Peers::default(),
            gives_up_from: Mutex::default(),
            workshop,
            parts: models::Locks::default(),
            noticed: models::Noticed::default(),
            slots: Arc::new(Semaphore::new(config.max_running)),
            config,
            backlog: slots::Backlog::default(),
            hub: Hub::default(),
            work: Arc::new(Notify::new()),
            heart: Arc::new(Notify::new()),
            running: Mutex::default(),
            strays: Mutex::default(),
            tracker: TaskTracker::new(),
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
        }))
    }

    /// The token that says that the server is stopping: held answers are given at once, nothing new is taken.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.soft
    }

    /// Changes whenever a prediction or training has ended, on this node or another. A signal may be lost.
    pub fn ends(&self) -> watch::Receiver<u64> {
        self.0.hub.ends()
    }

    /// What the instances of models on this node are doing.
    pub fn instances(&self) -> Vec<InstanceReport> {
        self.0.runner.instances()
    }

    /// The bytes that model processes of this machine keep in memory, by process; what else runs here may be in it too.
    pub async fn instance_memory(&self) -> HashMap<u32, u64> {
        self.0.runner.memory().await
    }

    /// How many predictions run on this node.
    pub fn running(&self) -> usize {
        self.0.lock_running().len()
    }
}
