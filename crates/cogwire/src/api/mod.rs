//! Replicate's HTTP API, and what Cogwire adds to it.
//!
//! Owns routes, status codes and headers. What a request means is decided in `cogwire_core`, what happens is the
//! engine's, what is durable the store's; nothing here runs a model or sends a webhook. Handlers return a `Failure`, which
//! becomes a problem document; failures of the server are logged once, in `observe`.

mod account;
mod answer;
mod at;
mod auth;
mod body;
mod callbacks;
mod caller;
mod create;
pub(crate) mod deliveries;
mod download;
mod events;
mod failure;
mod files;
mod health;
mod instances;
mod list;
mod members;
mod models;
mod observe;
mod path;
mod predictions;
mod progress;
mod query;
mod recent;
mod registry;
mod routes;
mod secrets;
mod streams;
mod trace;
mod trainings;
mod unserved;
mod versions;
mod warnings;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::prediction::{AccountId, Limits};
use cogwire_core::time::{Clock, Entropy, Timestamp};
use cogwire_core::trace::Spans;
use cogwire_core::webhook::event::{EventSet, PayloadShape};
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::webhook::vault::Vault;
use cogwire_core::wire::{Links, MAX_WAIT};
use cogwire_delivery::guard::Guard;
use cogwire_engine::Engine;
use cogwire_files::Files;
use cogwire_runner::CallbackRegistry;
use cogwire_store::{NodeLease, Store};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::config::Roles;
use auth::Tokens;
use versions::Versions;

pub(crate) use at::At;
pub(crate) use failure::Failure;
pub(crate) use query::Query;
pub use routes::router;

/// What the API is made of.
pub struct Parts {
    /// What makes predictions happen.
    pub engine: Engine,
    /// Where everything is durable.
    pub store: Arc<dyn Store>,
    /// Where files are.
    pub files: Arc<Files>,
    /// Where webhooks may go.
    pub guard: Arc<Guard>,
    /// How URLs look.
    pub links: Links,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where the spans of requests go.
    pub spans: Arc<dyn Spans>,
    /// What seals signing secrets.
    pub vault: Vault,
    /// What this node does.
    pub roles: Roles,
    /// Its lease.
    pub lease: Arc<NodeLease>,
    /// Cancelled when the models that the configuration names are there.
    pub prepared: CancellationToken,
    /// The writes under way. A client that hangs up does not stop them; the server waits for them when it stops.
    pub tasks: TaskTracker,
}

/// The API's bounds and choices.
#[derive(Clone)]
pub struct ApiConfig {
    /// A token that is valid without being stored.
    pub environment_token: Option<EnvironmentToken>,
    /// Whether the configuration says which secret signs.
    pub secret_is_fixed: bool,
    /// What is sent to a webhook whose create names no events.
    pub webhook_default_events: EventSet,
    /// What the bodies of webhooks look like when the create does not say.
    pub webhook_payload: PayloadShape,
    /// What else is wanted of webhooks when the create does not say.
    pub webhook_options: WebhookOptions,
    /// The longest request body, in bytes. Files in inputs may be data URLs, so it is generous.
    pub body_limit: usize,
    /// How long a prediction may wait until it runs.
    pub queue_timeout: Duration,
    /// The longest `Prefer: wait`.
    pub max_wait: Duration,
    /// How long a stream may be silent before it is closed.
    pub stream_idle: Duration,
    /// Where models are received; without it, this node runs none.
    pub incoming: Option<Incoming>,
    /// What `/metrics` shows; without it the path is not found.
    pub metrics: Option<PrometheusHandle>,
}

/// Where models are received.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The folder for what is on its way. What a crash leaves there is removed at the next start.
    pub folder: PathBuf,
    /// The largest package, in bytes.
    pub limit: u64,
}

/// A token from the environment.
#[derive(Debug, Clone)]
pub struct EnvironmentToken {
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// Whose it is.
    pub account: AccountId,
}

/// The API of one node.
pub struct Api {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) files: Arc<Files>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) links: Links,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) spans: Arc<dyn Spans>,
    pub(crate) vault: Vault,
    pub(crate) config: ApiConfig,
    roles: Roles,
    lease: Arc<NodeLease>,
    prepared: CancellationToken,
    tasks: TaskTracker,
    tokens: Tokens,
    versions: Versions,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            environment_token: None,
            secret_is_fixed: false,
            webhook_default_events: EventSet::DEFAULT,
            webhook_payload: PayloadShape::Prediction,
            webhook_options: WebhookOptions::default(),
            body_limit: 64 << 20,
            queue_timeout: Limits::default().queue,
            max_wait: MAX_WAIT,
            stream_idle: Duration::from_secs(30),
            incoming: None,
            metrics: None,
        }
    }
}

/// What models on this machine and Cog servers ask for: their input files, and an ear for what they say.
pub(crate) fn internal(
    files: Arc<Files>,
    clock: Arc<dyn Clock>,
    registry: Arc<CallbackRegistry>,
) -> axum::Router {
    download::downloads(files, clock).merge(callbacks::routes(registry))
}

impl Api {
    /// Puts the parts together.
    pub fn new(parts: Parts, config: ApiConfig) -> Self {
        Self {
            engine: parts.engine,
            store: parts.store,
            files: parts.files,
            guard: parts.guard,
            links: parts.links,
            clock: parts.clock,
            entropy: parts.entropy,
            spans: parts.spans,
            vault: parts.vault,
            config,
            roles: parts.roles,
            lease: parts.lease,
            prepared: parts.prepared,
            tasks: parts.tasks,
            tokens: Tokens::default(),
            versions: Versions::default(),
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Does `work` to its end, also when the client hangs up meanwhile: whoever retries must find it done or not begun.
    async fn detached<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        // Boxed, because a large future is copied again and again on its way to a task.
        let work = Box::pin(work.instrument(tracing::Span::current()));
        self.tasks.spawn(work).await.map_err(Failure::internal)?
    }
}
