//! What an attempt is doing, and how long each part of it took.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cogwire_core::time::Timestamp;

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
pub(super) struct Trace(Mutex<Times>);

#[derive(Debug)]
struct Times {
    phase: Phase,
    since: Timestamp,
    connecting: Connecting,
}

/// How long the new connection took; zero for a kept one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Connecting {
    dns: Duration,
    tcp: Duration,
    tls: Duration,
}

impl Trace {
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Times { phase: Phase::Answer, since: now, connecting: Connecting::default() }))
    }

    /// Ends the current phase and begins the next.
    pub(super) fn enter(&self, phase: Phase, now: Timestamp) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let took = now.since(times.since);
        match times.phase {
            Phase::Dns => times.connecting.dns += took,
            Phase::Connect => times.connecting.tcp += took,
            Phase::Tls => times.connecting.tls += took,
            Phase::Answer | Phase::Body(_) => {}
        }
        (times.phase, times.since) = (phase, now);
    }

    pub(super) fn phase(&self) -> Phase {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).phase
    }

    pub(super) fn connecting(&self) -> Connecting {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).connecting
    }
}

impl fmt::Display for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("on a kept connection");
        }
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let (dns, tcp, tls) = (millis(self.dns), millis(self.tcp), millis(self.tls));
        write!(f, "on a new connection (DNS {dns:.1} ms, TCP {tcp:.1} ms, TLS {tls:.1} ms)")
    }
}
