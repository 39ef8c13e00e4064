//! The server in this process.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use cogwire::config::{Config, Environment, FileMode, Layers};
use cogwire::lifecycle::{CorrectedClock, Lifecycle, SystemEntropy};
use cogwire::server::Surroundings;
use cogwire_core::time::Clock;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::app::{Options, pause};
use super::clock::ShiftedClock;
use super::http::Http;
use super::process::TOKEN;
use super::store::TestStore;

/// One recorder for all servers of the process: there can be only one.
static METRICS: LazyLock<PrometheusHandle> =
    LazyLock::new(|| PrometheusBuilder::new().install_recorder().expect("nobody else installs one"));

/// A running server.
pub(crate) struct Server {
    pub(crate) http: Http,
    server: cogwire::server::Server,
    lifecycle: Lifecycle,
}

impl Server {
    pub(crate) async fn start(
        dir: &Path,
        options: &Options,
        clock: &ShiftedClock,
        store: &TestStore,
    ) -> Self {
        // The first test of a process installs it; the others find it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let lifecycle = Lifecycle::default();
        let machine: Arc<dyn Clock> = Arc::new(clock.clone());
        let correction = options.corrected.then(|| Arc::new(CorrectedClock::new(machine.clone())));
        let clock = match &correction {
            Some(corrected) => corrected.clone(),
            None => machine,
        };
        let surroundings = Surroundings {
            clock,
            correction,
            entropy: Arc::new(SystemEntropy),
            metrics: METRICS.clone(),
            lifecycle: lifecycle.clone(),
        };
        let config = Config { database: store.database(), ..config(dir, options) };
        let server = cogwire::server::Server::start(config, surroundings).await.expect("it starts");
        let http = Http::new(format!("http://{}", server.address()), TOKEN.to_owned());
        http.wait_ready().await;
        Self { http, server, lifecycle }
    }

    /// Stops at once; what runs is left for the next start to take over.
    pub(crate) async fn stop(self) {
        self.lifecycle.soft().cancel();
        self.lifecycle.hard().cancel();
        self.server.stopped().await.expect("every part stops when told");
    }

    /// Waits until nothing runs and nothing is owed.
    pub(crate) async fn settle(&self) {
        for _ in 0..2000 {
            let live = self.http.get("/v1/deliveries?state=pending").await.expect(200);
            let list = self.http.get("/v1/predictions").await.expect(200);
            let runs = list["results"].as_array().expect("rows").iter();
            let busy = runs.filter(|row| row["completed_at"].is_null()).count();
            if busy == 0 && live["results"].as_array().is_some_and(Vec::is_empty) {
                return;
            }
            pause().await;
        }
        panic!("the server did not settle");
    }
}

fn config(dir: &Path, options: &Options) -> Config {
    let layers = Layers::defaults().expect("the defaults are valid");
    let environment = Environment::from([("HOME", "/nonexistent"), ("COGWIRE_API_TOKEN", TOKEN)]);
    let mut config = Config::read(&layers, &environment).expect("the defaults are valid");
    config.listen = "127.0.0.1:0".parse().expect("an address");
    config.data_dir = dir.join("data");
    config.scripts = vec![dir.join("scripts.toml")];
    config.max_running = options.max_running;
    config.limits.run = options.run_timeout;
    config.roles = options.roles;
    config.webhooks.options = options.webhook_options.clone();
    config.secrets.webhook_secret = options.webhook_secret.clone();
    config.vault = options.vault.clone();
    config.traces = options.traces.clone();
    config.public_url = options.public_url.as_ref().map(|url| url.parse().expect("a URL"));
    config.output_files = match options.output_files.as_str() {
        "auto" => FileMode::Auto,
        _ => FileMode::Url,
    };
    config
}
