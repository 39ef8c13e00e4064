//! The parts of a server, and the tasks that they become.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cogwire_core::prediction::Limits;
use cogwire_core::time::Clock;
use cogwire_delivery::{Delivery, DeliveryConfig, HttpSink, SystemResolver};
use cogwire_engine::{Engine, EngineConfig, ModelsConfig, OutputFiles};
use cogwire_files::Files;
use cogwire_runner::{Runner, Scripts};
use cogwire_store::Store;
use cogwire_store::handoff::{self, Handoff, LaneInbox};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::foundation::Foundation;
use super::internal::Internal;
use super::models::Premises;
use super::{Connections, Error, Listening, METRICS_UPKEEP, Surroundings, advice, egress, models, token};
use crate::api::{self, Api, ApiConfig, EnvironmentToken};
use crate::config::{Config, FileMode};

/// How often in the time of a lease the clock is compared with the database's.
const COMPARISONS_PER_LEASE: u32 = 3;

/// How often in the time of a lease the lanes that this server holds are compared with those that it knows. One that it does
/// not know is sent after two looks, and no later than if the server had gone.
const LOOKS_PER_LEASE: u32 = 2;

/// How many lanes may be in memory for each request that may be under way: those that wait for their next message stay there.
const LANES_PER_REQUEST: usize = 16;

/// How long a start that was given up may take to be told.
const SETUP_GRACE: Duration = Duration::from_secs(5);

/// Everything that runs in a server, before it does.
pub(super) struct Parts {
    pub(super) foundation: Foundation,
    pub(super) engine: Engine,
    /// On a server that sends webhooks.
    delivery: Option<(Delivery, LaneInbox)>,
    /// The tasks of models, which outlive their cancellation for a moment.
    runs: TaskTracker,
    /// The writes of requests whose clients may have gone.
    writes: TaskTracker,
    router: Router,
    /// Cancelled when the models that the configuration names are there.
    pub(super) prepared: CancellationToken,
    /// On a server that runs models.
    internal: Option<Internal>,
    /// What only one server may use; until all has stopped.
    pub(super) premises: Option<Premises>,
}

impl Parts {
    /// Puts the parts together. The engine has joined the store and taken over what an earlier run left.
    pub(super) async fn assemble(
        config: Config,
        url: &str,
        surroundings: &Surroundings,
    ) -> Result<Self, Error> {
        let scripts = Scripts::load(scripts(&config)).map_err(Error::Script)?;
        let internal = match config.roles.run {
            true => Some(Internal::bind(&config.models, surroundings.entropy.clone()).await?),
            false => None,
        };
        let foundation = Foundation::lay(config, url, surroundings).await?;
        let runs = TaskTracker::new();
        let runner = Runner::builtin_and_scripts(scripts, foundation.clock.clone(), runs.clone());
        let premises = models::occupy(&foundation.config)?;
        let models = models::config(&foundation, &runs, internal.as_ref());
        let (handoff, delivery) = delivery(&foundation)?.unzip();
        let files = files_for_models(&foundation, internal.as_ref())?;
        let engine = engine(&foundation, runner, handoff, files, models);
        engine.start().await.map_err(|error| foundation.unusable(error))?;
        advice::give(&foundation, url).await;
        let (writes, prepared) = (TaskTracker::new(), CancellationToken::new());
        if !models::are_named(&foundation.config) {
            prepared.cancel();
        }
        let metrics = surroundings.metrics.clone();
        let router = router(&foundation, &engine, metrics, writes.clone(), prepared.clone());
        Ok(Self { foundation, engine, delivery, runs, writes, router, internal, prepared, premises })
    }

    /// Starts the tasks. The sender stops after the last run has ended, because runs end with something to send.
    pub(super) fn spawn(self, listening: Listening, surroundings: &Surroundings) {
        let lifecycle = &surroundings.lifecycle;
        let (soft, hard) = (lifecycle.soft().clone(), lifecycle.hard().clone());
        let runs_ended = CancellationToken::new();
        // Cancelled when nobody is left who records spans.
        let quiet = CancellationToken::new();
        let noisy = Arc::new(quiet.clone().drop_guard());
        if let Some(exporter) = self.foundation.exporter {
            lifecycle.spawn("exporter of traces", exporter.run(quiet, hard.clone()));
        }
        let connections = Connections {
            listener: listening.listener,
            tls: listening.tls,
            router: self.router,
            most: self.foundation.config.max_connections,
            soft: soft.clone(),
            hard: hard.clone(),
        };
        lifecycle.spawn("listener", holding(noisy.clone(), answer(connections, self.writes)));
        if let Some((delivery, inbox)) = self.delivery {
            let sending = delivery.run(inbox, runs_ended.clone(), hard.clone());
            lifecycle.spawn("webhook sender", holding(noisy.clone(), sending));
        }
        if let Some(internal) = self.internal {
            let (files, clock) = (self.foundation.files.clone(), self.foundation.clock.clone());
            let connections = internal.connections(files, clock, runs_ended.clone(), hard.clone());
            lifecycle.spawn("listener for models", connections.serve());
        }
        let running = run_models(self.engine, self.runs, soft.clone(), hard, runs_ended);
        lifecycle.spawn("engine", holding(noisy, running));
        lifecycle.spawn(
            "metrics",
            keep_metrics(surroundings.metrics.clone(), surroundings.clock.clone(), soft.clone()),
        );
        if self.foundation.opened.is_shared() {
            let every = self.foundation.config.node_lease / COMPARISONS_PER_LEASE;
            lifecycle.spawn("clock", keep_time(surroundings.clone(), self.foundation.store, every, soft));
        }
    }
}

/// Models are for servers that run them. One configuration is often that of all servers, so it is no mistake that it names
/// models beside roles that have no use for them.
fn scripts(config: &Config) -> &[PathBuf] {
    if config.roles.run {
        return &config.scripts;
    }
    if !config.scripts.is_empty() {
        tracing::info!(roles = %config.roles, "this server runs no models: the scripts are left to those that do");
    }
    &[]
}

/// Does the work, and lets go of what it holds however it ends.
async fn holding<T>(held: T, work: impl Future<Output = ()>) {
    let _held = held;
    work.await;
}

async fn answer(connections: Connections, writes: TaskTracker) {
    connections.serve().await;
    writes.close();
    writes.wait().await;
}

async fn run_models(
    engine: Engine,
    runs: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    ended: CancellationToken,
) {
    // The sender must hear of the end also when the engine breaks.
    let _ended = ended.drop_guard();
    engine.run_until_idle(soft, hard).await;
    runs.close();
    runs.wait().await;
}

async fn keep_metrics(metrics: PrometheusHandle, clock: Arc<dyn Clock>, stop: CancellationToken) {
    while stop.run_until_cancelled(clock.sleep(METRICS_UPKEEP)).await.is_some() {
        metrics.run_upkeep();
    }
}

async fn keep_time(
    surroundings: Surroundings,
    store: Arc<dyn Store>,
    every: Duration,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(surroundings.clock.sleep(every)).await.is_some() {
        if let Err(error) = surroundings.compare_clock(store.as_ref()).await {
            tracing::debug!(%error, "the clock could not be compared with the database's");
        }
    }
}

/// The files with links for processes of this machine, and for Cog servers.
fn files_for_models(
    foundation: &Foundation,
    internal: Option<&Internal>,
) -> Result<(Arc<Files>, Option<Files>), Error> {
    let files = &foundation.files;
    let Some(internal) = internal else { return Ok((files.clone(), None)) };
    Ok((Arc::new(internal.files(files)), internal.files_for_servers(files)?))
}

fn engine(
    foundation: &Foundation,
    runner: Runner,
    handoff: Option<Handoff>,
    (inner_files, server_files): (Arc<Files>, Option<Files>),
    models: Option<ModelsConfig>,
) -> Engine {
    let parts = cogwire_engine::Parts {
        store: foundation.store.clone(),
        runner,
        files: foundation.files.clone(),
        inner_files,
        server_files,
        links: foundation.links.clone(),
        clock: foundation.clock.clone(),
        entropy: foundation.entropy.clone(),
        spans: foundation.spans.clone(),
        handoff,
        node: foundation.node.clone(),
        roles: foundation.config.roles.to_string(),
        lease: foundation.lease.clone(),
        models,
    };
    let config = &foundation.config;
    Engine::new(
        parts,
        EngineConfig {
            limits: limits(config),
            runs: config.roles.run,
            lease: config.node_lease,
            max_running: config.max_running,
            retention: config.retention,
            webhook_retention: config.webhook_retention,
            webhook_report_retention: config.webhook_report_retention,
            output_files: output_files(config.output_files, foundation.links.base()),
            ..EngineConfig::default()
        },
    )
}

/// The process of a model may start for as long as the configuration says. A prediction waits a little longer, so that what ends
/// it is the process's own failure, which comes with what the setup has printed.
fn limits(config: &Config) -> Limits {
    Limits { setup: config.limits.setup + SETUP_GRACE, ..config.limits }
}

/// The official clients make files of https and data URLs only; a plain http URL would reach the user as a text.
fn output_files(mode: FileMode, url: &str) -> OutputFiles {
    match mode {
        FileMode::Url => OutputFiles::Url,
        FileMode::Data => OutputFiles::Data,
        FileMode::Auto if url.starts_with("https:") => OutputFiles::Url,
        FileMode::Auto => OutputFiles::Data,
    }
}

/// Where lanes are handed over, and the sender with its end of that.
type Delivering = (Handoff, (Delivery, LaneInbox));

/// What sends webhooks, and how lanes reach it, on a server that does.
fn delivery(foundation: &Foundation) -> Result<Option<Delivering>, Error> {
    let config = &foundation.config;
    if !config.roles.deliver {
        return Ok(None);
    }
    let lanes = config.webhooks.concurrency * LANES_PER_REQUEST;
    let (handoff, inbox) = handoff::channel(lanes, foundation.lease.clone());
    Ok(Some((handoff, (sender(foundation)?, inbox))))
}

fn sender(foundation: &Foundation) -> Result<Delivery, Error> {
    let clock = foundation.clock.clone();
    let guard = foundation.guard.clone();
    let webhooks = &foundation.config.webhooks;
    let http = egress::http_config(webhooks)?;
    let parts = cogwire_delivery::Parts {
        deliveries: foundation.store.clone(),
        predictions: foundation.store.clone(),
        accounts: foundation.store.clone(),
        vault: foundation.config.vault.clone(),
        sink: Arc::new(HttpSink::new(http, guard, Arc::new(SystemResolver), clock.clone())),
        clock,
        entropy: foundation.entropy.clone(),
        spans: foundation.spans.clone(),
        lease: foundation.lease.clone(),
        links: foundation.links.clone(),
        node: foundation.node.clone(),
    };
    let config = DeliveryConfig {
        max_in_flight: webhooks.concurrency,
        per_origin: webhooks.per_origin,
        schedule: webhooks.schedule.clone(),
        max_age: webhooks.max_age,
        completed_timeout: webhooks.timeout,
        intermediate_timeout: webhooks.progress_timeout,
        lease_margin: foundation.config.lease_margin(),
        audit_interval: foundation.config.node_lease / LOOKS_PER_LEASE,
        ..DeliveryConfig::default()
    };
    Ok(Delivery::new(config, parts))
}

fn router(
    foundation: &Foundation,
    engine: &Engine,
    metrics: PrometheusHandle,
    tasks: TaskTracker,
    prepared: CancellationToken,
) -> Router {
    let parts = api::Parts {
        engine: engine.clone(),
        store: foundation.store.clone(),
        files: foundation.files.clone(),
        guard: Arc::new(foundation.guard.clone()),
        links: foundation.links.clone(),
        clock: foundation.clock.clone(),
        entropy: foundation.entropy.clone(),
        spans: foundation.spans.clone(),
        vault: foundation.config.vault.clone(),
        roles: foundation.config.roles,
        lease: foundation.lease.clone(),
        prepared,
        tasks,
    };
    let config = &foundation.config;
    let token = config.secrets.api_token.as_ref().map(|token| EnvironmentToken {
        sha256: token::hash(token.expose_secret()),
        account: foundation.account.clone(),
    });
    let api_config = ApiConfig {
        environment_token: token,
        secret_is_fixed: config.secrets.webhook_secret.is_some(),
        webhook_default_events: config.webhooks.default_events,
        webhook_payload: config.webhooks.payload,
        webhook_options: config.webhooks.options.clone(),
        body_limit: config.body_limit,
        queue_timeout: config.limits.queue,
        incoming: models::incoming(config),
        metrics: Some(metrics),
        ..ApiConfig::default()
    };
    api::router(Arc::new(Api::new(parts, api_config)))
}
