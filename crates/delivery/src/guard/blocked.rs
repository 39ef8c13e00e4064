//! Why a webhook may not go somewhere, in words that say what to do.

use std::fmt;
use std::net::IpAddr;

use super::class::canonical;

/// The rule that forbids it. `Display` is for the user, and quotes the flag that allows it, if any does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// Neither http nor https.
    #[error("webhooks go to http and https URLs, not to {0}: URLs")]
    Scheme(String),
    /// The URL has a user name or a password.
    #[error(
        "the webhook URL has a user name or password, which would be stored and shown: put a token into its path or query, and verify the signature"
    )]
    Credentials,
    /// The URL has no host.
    #[error("the webhook URL has no host")]
    NoHost,
    /// Nothing can listen there.
    #[error("the webhook URL has port 0, where nothing can listen")]
    PortZero,
    /// No flag allows it.
    #[error("{0} is {1}: webhooks never go there")]
    Never(Place, &'static str),
    /// This machine.
    #[error(
        "{0} is this server's own machine (loopback): to allow it, start the server with --webhook-allow loopback"
    )]
    Loopback(Place),
    /// A private range.
    #[error("{0} is a private address: to allow it, start the server with --webhook-allow {flag}, or with --webhook-allow private for every private network", flag = .0.flag())]
    Private(Place),
    /// A range that is not part of the public internet.
    #[error("{0} is {1}: to allow it, start the server with --webhook-allow {flag}", flag = .0.flag())]
    Special(Place, &'static str),
    /// A public address without TLS.
    #[error("plain http to {0} is not allowed: use https, or start the server with --webhook-allow {flag}", flag = .0.flag())]
    PlainHttp(Place),
}

/// What a rule is about: a host, and the address that it stands for if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    host: String,
    ip: Option<IpAddr>,
}

impl Place {
    pub(super) fn name(host: &str) -> Self {
        Self { host: host.to_owned(), ip: None }
    }

    pub(super) fn address(ip: IpAddr) -> Self {
        Self { host: ip.to_string(), ip: Some(ip) }
    }

    pub(super) fn resolved(host: &str, ip: IpAddr) -> Self {
        Self { host: host.to_owned(), ip: Some(ip) }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    fn is_literal(&self) -> bool {
        self.host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    }

    /// The narrowest value of `--webhook-allow`.
    fn flag(&self) -> String {
        match self.ip.map(canonical) {
            Some(ip @ IpAddr::V4(_)) if self.is_literal() => format!("{ip}/32"),
            Some(ip @ IpAddr::V6(_)) if self.is_literal() => format!("{ip}/128"),
            _ => self.host.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) if !self.is_literal() => write!(f, "{} ({ip})", self.host),
            _ => f.write_str(&self.host),
        }
    }
}
