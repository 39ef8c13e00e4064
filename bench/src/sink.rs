//! Where webhooks go: a server that answers 200 at once, and keeps what came and when.

pub(crate) mod bad;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::signature::{Received, Secret, verify};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock;

/// How long nothing may come before the rest is taken for lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much older or newer than now a signature may be, in seconds.
const TOLERANCE: i64 = 300;

/// The path whose requests are answered and forgotten.
pub(crate) const RAW: &str = "/raw";

/// The path whose requests are answered after [`SLOWNESS`].
pub(crate) const SLOW: &str = "/slow";

/// How long the slow path takes.
pub(crate) const SLOWNESS: Duration = Duration::from_millis(20);

/// A running sink. It stops when it is dropped.
pub(crate) struct Sink {
    url: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// One webhook.
pub(crate) struct Arrival {
    /// When its last byte had arrived.
    pub(crate) at: Timestamp,
    pub(crate) body: Bytes,
    headers: HeaderMap<HeaderValue>,
}

struct Shared {
    arrivals: Mutex<Vec<Arrival>>,
    count: watch::Sender<usize>,
    held: AtomicBool,
}

impl Sink {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("the sink cannot listen")?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            arrivals: Mutex::default(),
            count: watch::Sender::new(0),
            held: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, shared.clone()));
        Ok(Self { url, shared, _tasks: tasks })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Whether requests that come from now on are never answered, and count for nothing.
    pub(crate) fn hold(&self, held: bool) {
        self.shared.held.store(held, Ordering::Relaxed);
    }

    /// Forgets what has come, so that the next round counts from zero.
    pub(crate) fn clear(&self) {
        self.shared.lock().clear();
        self.shared.count.send_replace(0);
    }

    /// Waits until so many webhooks have come since the last [`Sink::clear`].
    pub(crate) async fn wait_for(&self, expected: usize) -> anyhow::Result<()> {
        let mut count = self.shared.count.subscribe();
        while *count.borrow_and_update() < expected {
            let changed = tokio::time::timeout(PATIENCE, count.changed()).await;
            let so_far = *count.borrow();
            changed.with_context(|| {
                format!("{so_far} of {expected} webhooks came, and then none for {PATIENCE:?}")
            })??;
        }
        Ok(())
    }

    /// What has come, whoever sent it.
    pub(crate) fn take_any(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.shared.lock())
    }

    /// What has come. Each must be signed, and none may have come twice.
    pub(crate) fn take(&self, secret: &Secret) -> anyhow::Result<Vec<Arrival>> {
        let arrivals = self.take_any();
        let mut ids: Vec<&str> =
            arrivals.iter().map(|arrival| arrival.header("webhook-id").unwrap_or_default()).collect();
        ids.sort_unstable();
        ids.dedup();
        ensure!(
            ids.len() == arrivals.len(),
            "{} of {} webhooks came twice",
            arrivals.len() - ids.len(),
            arrivals.len()
        );
        for arrival in &arrivals {
            arrival.verify(secret)?;
        }
        Ok(arrivals)
    }
}

impl Arrival {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn verify(&self, secret: &Secret) -> anyhow::Result<()> {
        let received = Received {
            id: self.header("webhook-id"),
            timestamp: self.header("webhook-timestamp"),
            signature: self.header("webhook-signature"),
            body: &self.body,
        };
        verify(std::slice::from_ref(secret), &received, clock::now().as_seconds(), TOLERANCE)
            .map(|_| ())
            .context("a webhook is not signed")
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, arrival: Arrival) {
        let mut arrivals = self.lock();
        arrivals.push(arrival);
        self.count.send_replace(arrivals.len());
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve(stream, shared.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Both fail only when the client has gone.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, shared.clone()));
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    if shared.held.load(Ordering::Relaxed) {
        return std::future::pending().await;
    }
    if parts.uri.path() == SLOW {
        tokio::time::sleep(SLOWNESS).await;
    }
    if let Ok(body) = body.collect().await
        && parts.uri.path() != RAW
    {
        shared.keep(Arrival { at: clock::now(), body: body.to_bytes(), headers: parts.headers });
    }
    Ok(Response::new(Empty::new()))
}
