//! Puts the parts of a server together, starts them and stops them in order.
//!
//! **Start**: the socket is bound before anything else, so that a busy port costs nothing; then the store is opened, the
//! account established, the engine takes over what an earlier run left, and only then is anything accepted.
//!
//! **Stop**, from the soft token on: the API says that it is not ready and the listener closes; held answers are given;
//! runs may finish, and what they end is still sent; then the sender finishes what is on its way; the node leaves the
//! store; the store is closed last. The hard token cuts each of these short, and nothing durable depends on them.
//!
//! The listener for models on this machine (`internal`) answers from before the first run until after the last one.
//!
//! **Roles** leave out what they do not name, and the order stays: without `run` there is no run to wait for, without
//! `deliver` no sender, and what is owed waits in the store for the nodes that have it. Every node has an engine, which keeps
//! the lease and ends what is overdue, and a listener, which says how the node is.

mod advice;
mod connections;
pub mod credentials;
mod egress;
mod error;
mod foundation;
mod identity;
mod internal;
mod models;
mod opened;
mod parts;
pub(crate) mod private_file;
mod tls;
pub mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::time::{Clock, Entropy};
use cogwire_engine::Engine;
use cogwire_store::NodeStore;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::lifecycle::{CorrectedClock, Lifecycle};
use connections::Connections;
use models::Premises;
use parts::Parts;

pub use credentials::Credentials;
pub use error::Error;
pub use identity::Tokens;
pub use opened::OpenedStore;
pub use tls::TlsError;

/// How often old samples of histograms are dropped.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// What a server takes from the process around it.
#[derive(Clone)]
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The same clock, when it is to follow that of the database; a test moves its own.
    pub correction: Option<Arc<CorrectedClock>>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// What renders the metrics of this process.
    pub metrics: PrometheusHandle,
    /// The tokens that stop the server.
    pub lifecycle: Lifecycle,
}

impl Surroundings {
    /// Lets the clock follow that of the database, if it is to and there is one.
    async fn compare_clock(&self, store: &(impl NodeStore + ?Sized)) -> cogwire_store::Result<()> {
        match &self.correction {
            Some(clock) => clock.compare(store.server_time()).await,
            None => Ok(()),
        }
    }
}

/// A server that runs.
pub struct Server {
    url: String,
    address: SocketAddr,
    tokens: Tokens,
    opened: OpenedStore,
    engine: Engine,
    lifecycle: Lifecycle,
    prepared: CancellationToken,
    _premises: Option<Premises>,
}

impl Server {
    /// Starts everything.
    ///
    /// # Errors
    /// When any part cannot be started; then nothing runs.
    pub async fn start(config: Config, surroundings: Surroundings) -> Result<Self, Error> {
        let (listener, address) = bind(config.listen).await?;
        let url = config.url(address);
        private_file::folder(&config.data_dir)
            .map_err(|error| Error::DataDir { path: config.data_dir.clone(), error })?;
        let tls = acceptor(&config)?;
        let mut parts = Box::pin(Parts::assemble(config, &url, &surroundings)).await?;
        let server = Self {
            url,
            address,
            tokens: parts.foundation.tokens.clone(),
            opened: parts.foundation.opened.clone(),
            engine: parts.engine.clone(),
            lifecycle: surroundings.lifecycle.clone(),
            prepared: parts.prepared.clone(),
            _premises: parts.premises.take(),
        };
        parts.spawn(Listening { listener, tls }, &surroundings);
        Ok(server)
    }

    /// Adds the models that the configuration names. Until then the server runs, and says that it is not ready. Whether all
    /// are there: not when the server was told to stop meanwhile.
    ///
    /// # Errors
    /// When one of them cannot be added. The server goes on without it.
    pub async fn add_models(&self, config: &Config) -> Result<bool, Error> {
        let adding = Box::pin(models::add_named(&self.engine, config));
        match self.lifecycle.soft().run_until_cancelled(adding).await {
            None => Ok(false),
            Some(Err(_)) if self.lifecycle.soft().is_cancelled() => Ok(false),
            Some(added) => added.map(|()| {
                self.prepared.cancel();
                true
            }),
        }
    }

    /// Tells it to stop.
    pub fn stop(&self) {
        self.lifecycle.soft().cancel();
    }

    /// Where it is reached; without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How the account's tokens stand.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Waits until the server is told to stop, and has stopped.
    ///
    /// # Errors
    /// When it stopped because a part of it had ended on its own.
    pub async fn stopped(self) -> Result<(), Error> {
        let finished = self.lifecycle.finished().await;
        if let Err(error) = self.engine.leave().await {
            tracing::warn!(%error, "the node could not leave the store; the next start takes its work over");
        }
        self.opened.close().await;
        Ok(finished?)
    }
}

/// The sockets of a server.
struct Listening {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let explain = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Error::AddressInUse(address),
        _ => Error::Listen { address, error },
    };
    let listener = TcpListener::bind(address).await.map_err(explain)?;
    let bound = listener.local_addr().map_err(explain)?;
    Ok((listener, bound))
}

fn acceptor(config: &Config) -> Result<Option<TlsAcceptor>, Error> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let public = config.public_url.as_ref().and_then(|url| url.host_str()).map(str::to_owned);
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), config.listen.ip().to_string()];
    let mut names: Vec<String> = names.into_iter().chain(public).collect();
    names.sort();
    names.dedup();
    tls::acceptor(tls, &config.data_dir, names).map(Some).map_err(Error::Tls)
}
