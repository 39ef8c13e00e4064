//! The way out through an HTTP proxy: a tunnel for each connection.
//!
//! The proxy is told an address that the guard has passed, never a name, so that what is connected to is what was judged.
//! The proxy itself is where the configuration says; nobody judges that.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cogwire_core::time::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::race;
use super::resolver::Resolver;

/// The longest answer to a request for a tunnel.
const MAX_HEAD: usize = 16 * 1024;
/// The most addresses of a receiver that the proxy is asked for.
const MAX_ADDRESSES: usize = 3;

/// A proxy. Neither `Debug` nor `Display` shows its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: Host<String>,
    port: u16,
    /// The value of `Proxy-Authorization`.
    credentials: Option<String>,
}

/// The text names no proxy. It says nothing of what was written, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a proxy is written http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT")]
pub struct InvalidProxy;

/// Why there is no tunnel.
#[derive(Debug)]
pub(super) enum ProxyFailure {
    /// The proxy was not reached.
    Unreachable(io::Error),
    /// It answered with this status.
    Refused(u16),
    /// What it answered is no answer to such a request, or it ended the connection.
    Broken(io::Error),
}

impl Proxy {
    /// A connection to one of the addresses, and which of them it is.
    pub(super) async fn tunnel(
        &self,
        addresses: &[SocketAddr],
        resolver: &dyn Resolver,
        clock: &dyn Clock,
    ) -> Result<(TcpStream, SocketAddr), ProxyFailure> {
        let nowhere = ProxyFailure::Unreachable(io::ErrorKind::AddrNotAvailable.into());
        let mut last = Err(nowhere);
        for address in addresses.iter().take(MAX_ADDRESSES) {
            let stream = self.connect(resolver, clock).await.map_err(ProxyFailure::Unreachable)?;
            last = self.ask(stream, *address).await.map(|stream| (stream, *address));
            if !matches!(last, Err(ProxyFailure::Refused(_))) {
                break;
            }
        }
        last
    }

    async fn connect(&self, resolver: &dyn Resolver, clock: &dyn Clock) -> io::Result<TcpStream> {
        let addresses = match &self.host {
            Host::Ipv4(ip) => vec![SocketAddr::from((*ip, self.port))],
            Host::Ipv6(ip) => vec![SocketAddr::from((*ip, self.port))],
            Host::Domain(name) => resolver.resolve(name, self.port).await?,
        };
        Ok(race::connect(&addresses, clock).await?.0)
    }

    async fn ask(&self, mut stream: TcpStream, address: SocketAddr) -> Result<TcpStream, ProxyFailure> {
        let asked = stream.write_all(self.request(address).as_bytes()).await;
        asked.map_err(ProxyFailure::Broken)?;
        match read_status(&mut stream).await.map_err(ProxyFailure::Broken)? {
            200..=299 => Ok(stream),
            status => Err(ProxyFailure::Refused(status)),
        }
    }

    fn request(&self, address: SocketAddr) -> String {
        let credentials =
            self.credentials.as_deref().map(|value| format!("Proxy-Authorization: {value}\r\n"));
        let credentials = credentials.unwrap_or_default();
        format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n{credentials}\r\n")
    }
}

/// Reads the head of the answer, and not one byte more: what follows belongs to the receiver, who speaks second.
async fn read_status(stream: &mut TcpStream) -> io::Result<u16> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(invalid("its answer is too long"));
        }
        head.push(stream.read_u8().await?);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| invalid("its answer is not HTTP"))?;
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    let status = words.next().filter(|_| is_http).and_then(|status| status.parse().ok());
    status.ok_or_else(|| invalid("its answer is not HTTP"))
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let url = Url::parse(text).map_err(|_| InvalidProxy)?;
        if url.scheme() != "http" || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidProxy);
        }
        let decoded = |part: &str| percent_encoding::percent_decode_str(part).collect::<Vec<u8>>();
        let user = [decoded(url.username()), decoded(url.password().unwrap_or_default())].join(&b':');
        let has_user = !url.username().is_empty() || url.password().is_some();
        Ok(Self {
            host: url.host().ok_or(InvalidProxy)?.to_owned(),
            port: url.port_or_known_default().filter(|port| *port != 0).ok_or(InvalidProxy)?,
            credentials: has_user.then(|| format!("Basic {}", STANDARD.encode(user))),
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_and_do_not_show_their_passwords() {
        let cases = [
            ("http://proxy.example:3128", "proxy.example:3128", None),
            ("http://10.0.0.1:3128/", "10.0.0.1:3128", None),
            ("http://[::1]:3128", "[::1]:3128", None),
            ("http://proxy.example", "proxy.example:80", None),
            ("http://user:p%40ss@proxy.example:3128", "proxy.example:3128", Some("Basic dXNlcjpwQHNz")),
        ];
        for (text, shown, credentials) in cases {
            let proxy: Proxy = text.parse().expect(text);
            assert_eq!((proxy.to_string().as_str(), proxy.credentials.as_deref()), (shown, credentials));
            assert_eq!(format!("{proxy:?}"), shown);
        }
        for text in [
            "",
            "proxy.example:3128",
            "https://proxy.example",
            "socks5://proxy",
            "http://proxy/x",
            "http://proxy:0",
        ] {
            assert_eq!(text.parse::<Proxy>(), Err(InvalidProxy), "for {text:?}");
        }
    }

    #[test]
    fn the_request_names_the_address_that_was_judged() {
        let proxy: Proxy = "http://a:b@proxy.example:3128".parse().expect("a proxy");
        assert_eq!(
            proxy.request("[2606:4700::1]:443".parse().expect("an address")),
            "CONNECT [2606:4700::1]:443 HTTP/1.1\r\nHost: [2606:4700::1]:443\r\nProxy-Authorization: Basic YTpi\r\n\r\n"
        );
    }
}
