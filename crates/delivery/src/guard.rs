//! Which addresses webhooks may go to.
//!
//! One set of rules, used when a webhook URL is accepted ([`Guard::check_url`]) and again for every address that is about to
//! be connected to ([`Guard::check_address`]): what a name resolves to is known only then, and may change at any time.
//! Knows nothing about sockets or name resolution.

mod allow;
mod blocked;
mod class;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use url::{Host, Url};

pub use allow::{Allow, InvalidAllow};
pub use blocked::{Blocked, Place};
use class::{Class, canonical, classify};

/// What is allowed beyond https to public addresses.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether webhooks may go to this machine: only while nobody else can reach the server.
    pub loopback_allowed: bool,
    /// Exceptions, as configured.
    pub allow: Vec<Allow>,
}

/// Decides by a [`Policy`].
#[derive(Debug, Clone)]
pub struct Guard {
    loopback: bool,
    private: bool,
    networks: Vec<ipnet::IpNet>,
    hosts: Vec<String>,
}

impl Guard {
    /// A guard for this policy.
    pub fn new(policy: Policy) -> Self {
        let mut guard = Self {
            loopback: policy.loopback_allowed,
            private: false,
            networks: Vec::new(),
            hosts: Vec::new(),
        };
        for allow in policy.allow {
            match allow {
                Allow::Network(network) => guard.networks.push(network),
                Allow::Host(host) => guard.hosts.push(host),
                Allow::Private => guard.private = true,
                Allow::Loopback => guard.loopback = true,
            }
        }
        guard
    }

    /// Decides as far as the URL alone tells. A name that passes can still resolve to an address that does not.
    ///
    /// # Errors
    /// When no webhook may go there; the text says which rule it is, and which flag allows it.
    pub fn check_url(&self, url: &Url) -> Result<(), Blocked> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Blocked::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Blocked::Credentials);
        }
        if url.port() == Some(0) {
            return Err(Blocked::PortZero);
        }
        let secure = url.scheme() == "https";
        match url.host() {
            None => Err(Blocked::NoHost),
            Some(Host::Ipv4(address)) => self.judge(secure, &Place::address(address.into())),
            Some(Host::Ipv6(address)) => self.judge(secure, &Place::address(address.into())),
            Some(Host::Domain(name)) => self.check_name(secure, name),
        }
    }

    /// Decides about one address that `host` stands for, just before connecting to it. `secure` says that it is https.
    ///
    /// # Errors
    /// When no webhook may go there; the text says which rule it is, and which flag allows it.
    pub fn check_address(&self, secure: bool, host: &str, address: IpAddr) -> Result<(), Blocked> {
        self.judge(secure, &Place::resolved(host, address))
    }

    fn check_name(&self, secure: bool, name: &str) -> Result<(), Blocked> {
        let name = name.trim_end_matches('.');
        if name.is_empty() {
            return Err(Blocked::NoHost);
        }
        if self.allows_host(name) {
            return Ok(());
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return if self.loopback { Ok(()) } else { Err(Blocked::Loopback(Place::name(name))) };
        }
        // Plain http is for networks that were allowed. Only the address tells whether the name is in one of them.
        if secure || self.private || !self.networks.is_empty() {
            return Ok(());
        }
        Err(Blocked::PlainHttp(Place::name(name)))
    }

    fn judge(&self, secure: bool, place: &Place) -> Result<(), Blocked> {
        let Some(address) = place.ip() else { return Ok(()) };
        match classify(address) {
            Class::Never(kind) => Err(Blocked::Never(place.clone(), kind)),
            _ if self.allows_host(place.host()) || self.allows_network(address) => Ok(()),
            Class::Loopback if self.loopback => Ok(()),
            Class::Loopback => Err(Blocked::Loopback(place.clone())),
            Class::Private if self.private => Ok(()),
            Class::Private => Err(Blocked::Private(place.clone())),
            Class::Special(kind) => Err(Blocked::Special(place.clone(), kind)),
            Class::Public if secure => Ok(()),
            Class::Public => Err(Blocked::PlainHttp(place.clone())),
        }
    }

    fn allows_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.hosts.iter().any(|allowed| allowed == host)
    }

    fn allows_network(&self, address: IpAddr) -> bool {
        let inner = canonical(address);
        self.networks.iter().any(|network| network.contains(&address) || network.contains(&inner))
    }
}
