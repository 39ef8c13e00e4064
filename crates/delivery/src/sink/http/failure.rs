//! Why there is no answer.

use std::io;

use super::proxy::{Proxy, ProxyFailure};
use super::trace::Phase;
use crate::guard::Blocked;

/// An attempt without an answer; [`super::explain`] puts it into words.
#[derive(Debug)]
pub(super) enum Failure {
    /// The stored URL is none.
    Url(String),
    /// The guard forbids it.
    Blocked(Blocked),
    /// The name was not resolved.
    Dns(io::Error),
    /// The name stands for no address.
    NoAddress,
    /// No connection.
    Connect(io::Error),
    /// No tunnel through this proxy.
    Proxy(Proxy, ProxyFailure),
    /// No TLS.
    Tls(io::Error),
    /// The connection broke, or what came was not HTTP.
    Exchange(hyper::Error),
    /// The deadline has passed.
    Timeout(Phase),
}

impl From<Blocked> for Failure {
    fn from(blocked: Blocked) -> Self {
        Self::Blocked(blocked)
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::Exchange(error)
    }
}
