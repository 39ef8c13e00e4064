//! Connections that wait for their next request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cogwire_core::time::{Clock, Timestamp};
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio_util::sync::CancellationToken;

use super::target::Origin;

/// A connection that takes requests.
pub(super) struct Sender {
    pub(super) requests: SendRequest<Full<Bytes>>,
    /// The receiver's address.
    pub(super) peer: SocketAddr,
}

/// Idle connections by origin; the one that was used last is used next, so that the others may go.
pub(super) struct Pool {
    max_idle: usize,
    idle_timeout: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    total: usize,
    by_origin: HashMap<Arc<Origin>, Vec<(Sender, Timestamp)>>,
}

impl Pool {
    pub(super) fn new(max_idle: usize, idle_timeout: Duration) -> Self {
        Self { max_idle, idle_timeout, idle: Mutex::default() }
    }

    /// A connection that can take a request now.
    pub(super) fn take(&self, origin: &Origin, now: Timestamp) -> Option<Sender> {
        let mut idle = self.lock();
        loop {
            let (sender, since) = idle.pop(origin)?;
            if sender.requests.is_ready() && now.since(since) < self.idle_timeout {
                return Some(sender);
            }
        }
    }

    /// Keeps a connection for the next request. When there are too many, it is closed instead.
    pub(super) fn put(&self, origin: &Arc<Origin>, sender: Sender, now: Timestamp) {
        let mut idle = self.lock();
        if idle.total < self.max_idle {
            idle.total += 1;
            idle.by_origin.entry(Arc::clone(origin)).or_default().push((sender, now));
        }
    }

    /// Closes what has been idle for too long.
    pub(super) fn expire(&self, now: Timestamp) {
        let idle = &mut *self.lock();
        idle.by_origin.retain(|_, senders| {
            let before = senders.len();
            senders.retain(|(sender, since)| {
                !sender.requests.is_closed() && now.since(*since) < self.idle_timeout
            });
            idle.total -= before - senders.len();
            !senders.is_empty()
        });
    }

    /// Closes everything.
    pub(super) fn clear(&self) {
        *self.lock() = Idle::default();
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn pop(&mut self, origin: &Origin) -> Option<(Sender, Timestamp)> {
        let popped = self.by_origin.get_mut(origin)?.pop();
        self.total -= usize::from(popped.is_some());
        popped
    }
}

/// Closes idle connections in time, until `stop`.
pub(super) async fn sweep(pool: Arc<Pool>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(pool.idle_timeout / 2) => pool.expire(clock.now()),
        }
    }
}
