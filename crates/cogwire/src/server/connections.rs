//! From accepted sockets to answered requests: how many at once, how long a client may take, and how they end.
//!
//! Owns sockets and handshakes; knows nothing of routes. The accept loop never waits for a client: handshakes and requests
//! happen in a task per connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// The longest time for a handshake and the first request's head together, for the head of each further request, and so
/// also for an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How often an HTTP/2 client is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// The most requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 250;
/// The pause after an accept that failed for want of a resource, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves one listening socket.
pub(crate) struct Connections {
    /// The socket.
    pub(crate) listener: TcpListener,
    /// Set for https.
    pub(crate) tls: Option<TlsAcceptor>,
    /// What answers.
    pub(crate) router: Router,
    /// The most connections at once.
    pub(crate) most: usize,
    /// Accept nothing new; answer what was asked.
    pub(crate) soft: CancellationToken,
    /// Close everything.
    pub(crate) hard: CancellationToken,
}

impl Connections {
    /// Accepts and serves until `soft`, then until all clients are answered or `hard`.
    pub(crate) async fn serve(self) {
        let places = Arc::new(Semaphore::new(self.most));
        let tasks = TaskTracker::new();
        while let Some((stream, peer, place)) = self.accept(&places).await {
            let connection = Connection {
                peer,
                tls: self.tls.clone(),
                router: self.router.clone(),
                // Looked at each time that a connection wakes: its own tokens spare it a lock that all share.
                soft: self.soft.child_token(),
                hard: self.hard.child_token(),
            };
            tasks.spawn(connection.serve(stream, place));
        }
        // Closed before the wait, so that a new client is refused at once instead of hanging in the backlog.
        drop(self.listener);
        tasks.close();
        tasks.wait().await;
    }

    async fn accept(&self, places: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = tokio::select! {
            () = self.soft.cancelled() => return None,
            place = Arc::clone(places).acquire_owned() => place.ok()?,
        };
        loop {
            let accepted = tokio::select! {
                () = self.soft.cancelled() => return None,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => return Some((stream, peer, place)),
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Errors of a connection that was gone before it was accepted.
fn is_the_clients(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Connection {
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: TcpStream, _place: OwnedSemaphorePermit) {
        // Answers are small and written whole; waiting for more to send only delays them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else { return self.serve_http(stream).await };
        let handshake = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream));
        tokio::select! {
            () = self.hard.cancelled() => {}
            shaken = handshake => match shaken {
                Ok(Ok(stream)) => self.serve_http(stream).await,
                Ok(Err(error)) => tracing::debug!(peer = %self.peer, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(peer = %self.peer, "a TLS handshake took too long"),
            },
        }
    }

    async fn serve_http<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(&self, stream: S) {
        let asked = Arc::new(AtomicBool::new(false));
        let service = service_fn(|request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(self.peer));
            self.router.clone().call(request)
        });
        let builder = builder();
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let (mut leaving, mut watched) = (false, true);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %self.peer, error, "a connection broke");
                    }
                    return;
                }
                () = self.soft.cancelled(), if !leaving => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.hard.cancelled() => return,
                // The builder's own timer starts only when it knows the protocol, which takes the first bytes.
                () = tokio::time::sleep(HEAD_TIMEOUT), if watched => {
                    watched = false;
                    if !asked.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .max_concurrent_streams(MAX_STREAMS);
    builder
}

#[cfg(test)]
mod tests;
