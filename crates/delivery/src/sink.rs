//! Where messages go: one request, one answer.
//!
//! [`Sink`] is the seam: the engine decides what is sent and when, a sink sends it. [`http::HttpSink`] is the real one; tests
//! and simulations bring their own. A sink knows nothing of lanes, schedules or the store.

pub mod http;

use std::net::SocketAddr;
use std::time::Duration;

use ::http::HeaderMap;
use async_trait::async_trait;
use bytes::Bytes;
use cogwire_core::text_enum;

/// One request, complete but for what HTTP itself adds (`Host`, `Content-Length`).
#[derive(Debug, Clone)]
pub struct OutgoingRequest<'a> {
    /// Where it goes.
    pub url: &'a str,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, sent byte for byte.
    pub body: Bytes,
}

/// How long an attempt may take, from the first look-up to the last byte of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// When it is over, by [`Clock::monotonic`](cogwire_core::time::Clock::monotonic).
    pub at: Duration,
    /// How long that was from the beginning, to be named in explanations.
    pub after: Duration,
}

text_enum! {
    /// What kind of result an attempt had.
    Class {
        /// The receiver took the message: it answered 2xx.
        Delivered = "delivered",
        /// It answered 3xx; redirects are not followed.
        Redirect = "redirect",
        /// It answered with another status.
        Status = "status",
        /// It was too slow.
        Timeout = "timeout",
        /// There was no connection.
        Connect = "connect",
        /// Its name was not resolved.
        Dns = "dns",
        /// TLS could not be set up.
        Tls = "tls",
        /// The rules about addresses forbid it. Nothing was sent.
        Blocked = "blocked",
        /// The connection broke, or what came back was not HTTP.
        Protocol = "protocol",
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What kind of result it is.
    pub class: Class,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// A sentence for people, with advice, and with the beginning of the answer's body if it failed.
    pub detail: String,
    /// The `Retry-After` header of the answer.
    pub retry_after: Option<String>,
    /// What was seen on the way.
    pub seen: Seen,
}

/// A request and its answer as they were on the wire, and how long each part took.
///
/// Values that are secret are marked so in [`Seen::request`], and are nowhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The receiver's address: the one that was connected to, or else tried first.
    pub peer: Option<SocketAddr>,
    /// How long the look-up of the name took; `None` without one.
    pub dns: Option<Duration>,
    /// How long connecting took; `None` on a kept connection.
    pub connect: Option<Duration>,
    /// How long it took to set up TLS; `None` without TLS, and on a kept connection.
    pub tls: Option<Duration>,
    /// The time from the request to the head of its answer; `None` without an answer.
    pub first_byte: Option<Duration>,
    /// The headers of the request; none when it was not sent.
    pub request: HeaderMap,
    /// The answer, if one began.
    pub response: Option<SeenResponse>,
}

/// As much of an answer as is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenResponse {
    /// Its headers.
    pub headers: HeaderMap,
    /// The beginning of its body.
    pub body: Vec<u8>,
    /// Whether that is not known to be all of it.
    pub truncated: bool,
}

/// Sends requests.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Sends one request, once, and is over by the deadline. Dropping the future ends the request.
    async fn post(&self, request: OutgoingRequest<'_>, deadline: Deadline) -> Answer;

    /// Ends whatever the sink keeps between requests. Nothing of it runs any more when the future is ready.
    async fn close(&self);
}
