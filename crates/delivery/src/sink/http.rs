//! Sends messages over HTTP/1.1, with and without TLS.
//!
//! Promises: every address is judged by the [`Guard`] right before it is connected to; one deadline covers everything from
//! the look-up of the name to the last byte of the answer; redirects are not followed, and a proxy is told an address that
//! was judged, because anything else would go around the guard; what is read of an answer is bounded. Connections are kept for a short while, and are
//! tasks of this sink, which [`Sink::close`] ends.

mod connector;
mod exchange;
mod explain;
mod failure;
mod header;
mod pool;
mod proxy;
mod race;
mod resolver;
mod target;
mod tls;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cogwire_core::time::Clock;
use rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Answer, Deadline, OutgoingRequest, Sink};
use crate::guard::Guard;
use connector::Connector;
use exchange::Exchange;
use explain::Explanation;
use failure::Failure;
use header::CustomHeaders;
pub use header::{CustomHeader, InvalidHeader};
use pool::Pool;
pub use proxy::{InvalidProxy, Proxy};
pub use resolver::{Resolver, SystemResolver};
use target::Targets;
pub use tls::ClientCertificate;
use trace::Trace;

/// The bounds of an [`HttpSink`], and what it trusts.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The most bytes that are read of an answer's body; what comes after them does not matter.
    pub max_answer: usize,
    /// The most bytes of the body of a 2xx answer that are kept; of any other answer, all that is read is kept.
    pub max_kept: usize,
    /// The most bytes of an answer's body that an explanation quotes.
    pub max_quote: usize,
    /// How long a connection is kept without a request. Common servers close theirs after 5 s, and a request that crosses
    /// with the closing is lost: this must be shorter.
    pub idle_timeout: Duration,
    /// The most connections that are kept without a request.
    pub max_idle: usize,
    /// How many URLs are remembered in their parsed form.
    pub max_targets: usize,
    /// Certificates that are trusted beside the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// What receivers that ask for a certificate are shown.
    pub certificate: Option<ClientCertificate>,
    /// Headers of every request beside its own.
    pub headers: Vec<CustomHeader>,
    /// The way out; `None` without a proxy.
    pub proxy: Option<Proxy>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            max_answer: 64 * 1024,
            max_kept: 1024,
            max_quote: 1024,
            idle_timeout: Duration::from_secs(4),
            max_idle: 256,
            max_targets: 1024,
            extra_roots: Vec::new(),
            certificate: None,
            headers: Vec::new(),
            proxy: None,
        }
    }
}

/// The sink for the real world.
pub struct HttpSink {
    config: HttpConfig,
    clock: Arc<dyn Clock>,
    targets: Targets,
    connector: Connector,
    headers: CustomHeaders,
    pool: Arc<Pool>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl HttpSink {
    /// A sink that asks `guard` about every address. It must be made inside the runtime that will use it.
    pub fn new(config: HttpConfig, guard: Guard, resolver: Arc<dyn Resolver>, clock: Arc<dyn Clock>) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let guard = Arc::new(guard);
        let pool = Arc::new(Pool::new(config.max_idle, config.idle_timeout));
        tasks.spawn(pool::sweep(Arc::clone(&pool), Arc::clone(&clock), stop.clone()));
        Self {
            targets: Targets::new(Arc::clone(&guard), config.max_targets),
            connector: Connector::new(
                guard,
                resolver,
                config.proxy.clone(),
                tls::connector(&config.extra_roots, config.certificate.as_ref()),
                Arc::clone(&clock),
            ),
            headers: CustomHeaders::new(&config.headers),
            config,
            clock,
            pool,
            tasks,
            stop,
        }
    }

    async fn exchange(
        &self,
        request: OutgoingRequest<'_>,
        deadline: Deadline,
        trace: &Trace,
    ) -> Result<u16, Failure> {
        let target = self.targets.get(request.url)?;
        let exchange = Exchange { sink: self, target: &target, deadline, trace };
        exchange.run(request).await
    }
}

#[async_trait]
impl Sink for HttpSink {
    async fn post(&self, request: OutgoingRequest<'_>, deadline: Deadline) -> Answer {
        let url = request.url;
        let trace = Trace::new(self.clock.now());
        // Something may have taken a while since the deadline was set.
        let left = deadline.at.saturating_sub(self.clock.monotonic()).min(deadline.after);
        let result = tokio::select! {
            result = self.exchange(request, deadline, &trace) => result,
            () = self.clock.sleep(left) => Err(Failure::Timeout(trace.phase())),
        };
        let seen = trace.into_seen(self.clock.now());
        let explanation = Explanation { url, after: deadline.after, max_quote: self.config.max_quote };
        let mut answer = explanation.of(result, seen);
        self.headers.hide_in(&mut answer);
        answer
    }

    async fn close(&self) {
        self.stop.cancel();
        self.pool.clear();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
