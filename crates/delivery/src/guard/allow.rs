//! What `--webhook-allow` takes.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::Host;

/// One exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// A range of addresses, also with plain http.
    Network(IpNet),
    /// Whatever this host name stands for, also with plain http; in lower case, without a dot at the end.
    Host(String),
    /// Every private range, also with plain http.
    Private,
    /// This machine, also with plain http.
    Loopback,
}

/// The text was no exception.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not something that webhooks can be allowed to reach: give a network such as 10.0.0.0/8, a host name without scheme and port, `private` or `loopback`"
)]
pub struct InvalidAllow(String);

impl FromStr for Allow {
    type Err = InvalidAllow;

    fn from_str(text: &str) -> Result<Self, InvalidAllow> {
        let text = text.trim();
        match text {
            "private" => Ok(Self::Private),
            "loopback" => Ok(Self::Loopback),
            _ => network(text)
                .or_else(|| host(text))
                .ok_or_else(|| InvalidAllow(text.chars().take(80).collect())),
        }
    }
}

fn network(text: &str) -> Option<Allow> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| bare.parse::<IpNet>()).ok().map(|network| Allow::Network(network.trunc()))
}

/// Reads the name as a URL's host is read, so that both have the same spelling.
fn host(text: &str) -> Option<Allow> {
    match Host::parse(text).ok()? {
        Host::Ipv4(address) => Some(Allow::Network(IpAddr::from(address).into())),
        Host::Ipv6(address) => Some(Allow::Network(IpAddr::from(address).into())),
        Host::Domain(name) => named(name.trim_end_matches('.')),
    }
}

fn named(name: &str) -> Option<Allow> {
    (!name.is_empty() && !name.contains('*')).then(|| Allow::Host(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Allow {
        Allow::Network(text.parse().expect("a network"))
    }

    #[test]
    fn reads_networks_hosts_and_words() {
        let cases = [
            ("private", Allow::Private),
            (" loopback ", Allow::Loopback),
            ("10.0.0.0/8", network("10.0.0.0/8")),
            ("10.1.2.3/8", network("10.0.0.0/8")),
            ("10.0.0.5", network("10.0.0.5/32")),
            ("fd00::/8", network("fd00::/8")),
            ("[fd00::1]", network("fd00::1/128")),
            ("0x7f.1", network("127.0.0.1/32")),
            ("Receiver.Internal.", Allow::Host("receiver.internal".to_owned())),
            ("bücher.example", Allow::Host("xn--bcher-kva.example".to_owned())),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), Ok(expected), "for {text:?}");
        }
    }

    #[test]
    fn refuses_what_is_neither() {
        for text in ["", ".", "http://host", "host:80", "*.example.com", "10.0.0.0/33", "a b", "host/path"] {
            assert!(text.parse::<Allow>().is_err(), "for {text:?}");
        }
    }
}
