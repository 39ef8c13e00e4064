//! What an attempt is doing, what was seen of it so far, and how long each part of it took.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cogwire_core::time::Timestamp;
use http::HeaderMap;

use crate::sink::{Seen, SeenResponse};

/// A part of an attempt, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The name is resolved.
    Dns,
    /// A TCP connection is made.
    Connect,
    /// TLS is set up.
    Tls,
    /// The request is sent, and the head of the answer awaited.
    Answer,
    /// The body of the answer is read.
    Body(u16),
}

/// Shared between the attempt and whoever explains why it was cut off.
#[derive(Debug)]
pub(super) struct Trace(Mutex<Record>);

#[derive(Debug)]
struct Record {
    phase: Phase,
    since: Timestamp,
    seen: Seen,
}

/// How the connection came about, in words.
pub(super) struct Connecting<'a>(pub(super) &'a Seen);

impl Trace {
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Record { phase: Phase::Answer, since: now, seen: Seen::default() }))
    }

    /// Ends the current phase and begins the next.
    pub(super) fn enter(&self, phase: Phase, now: Timestamp) {
        let mut record = self.lock();
        record.end_phase(now);
        if matches!((record.phase, phase), (Phase::Answer, Phase::Body(_))) {
            record.seen.first_byte = Some(now.since(record.since));
        }
        (record.phase, record.since) = (phase, now);
    }

    /// The address that is connected to.
    pub(super) fn peer(&self, peer: SocketAddr) {
        self.lock().seen.peer = Some(peer);
    }

    /// The headers of the request that is sent.
    pub(super) fn request(&self, headers: HeaderMap) {
        self.lock().seen.request = headers;
    }

    /// The headers of the answer.
    pub(super) fn response(&self, headers: HeaderMap) {
        self.lock().seen.response = Some(SeenResponse { headers, ..SeenResponse::default() });
    }

    /// More of the answer's body, of which `limit` bytes are kept in all.
    pub(super) fn body(&self, data: &[u8], limit: usize) {
        if let Some(response) = &mut self.lock().seen.response {
            let room = limit.saturating_sub(response.body.len());
            response.body.extend_from_slice(&data[..data.len().min(room)]);
            response.truncated |= data.len() > room;
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Everything that was seen until `now`.
    pub(super) fn into_seen(self, now: Timestamp) -> Seen {
        let mut record = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        record.end_phase(now);
        record.seen
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn end_phase(&mut self, now: Timestamp) {
        let sum = match self.phase {
            Phase::Dns => &mut self.seen.dns,
            Phase::Connect => &mut self.seen.connect,
            Phase::Tls => &mut self.seen.tls,
            Phase::Answer | Phase::Body(_) => return,
        };
        *sum = Some(sum.unwrap_or_default() + now.since(self.since));
    }
}

impl fmt::Display for Connecting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(connect) = self.0.connect else { return f.write_str("on a kept connection") };
        let took = [("DNS", self.0.dns), ("TCP", Some(connect)), ("TLS", self.0.tls)];
        let took = took.iter().filter_map(|(name, time)| Some((name, time.as_ref()?.as_secs_f64() * 1000.0)));
        let took: Vec<String> = took.map(|(name, millis)| format!("{name} {millis:.1} ms")).collect();
        write!(f, "on a new connection ({})", took.join(", "))
    }
}
