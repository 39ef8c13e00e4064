//! From an origin to a connection: resolve, judge every address, connect to those that passed, set up TLS.
//!
//! This is the one place where addresses are judged at connect time. Resolving and connecting are not separate services,
//! because a client library asks no resolver about a host that is an address already.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use cogwire_core::time::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::failure::Failure;
use super::proxy::Proxy;
use super::resolver::Resolver;
use super::target::Origin;
use super::trace::{Phase, Trace};
use super::{race, tls};
use crate::guard::Guard;

/// Makes connections.
pub(super) struct Connector {
    guard: Arc<Guard>,
    resolver: Arc<dyn Resolver>,
    proxy: Option<Proxy>,
    tls: TlsConnector,
    clock: Arc<dyn Clock>,
}

/// A connection, with or without TLS.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connector {
    pub(super) fn new(
        guard: Arc<Guard>,
        resolver: Arc<dyn Resolver>,
        proxy: Option<Proxy>,
        tls: TlsConnector,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { guard, resolver, proxy, tls, clock }
    }

    /// Connects; the connection, and the address that it is to. `trace` follows the phases.
    pub(super) async fn connect(
        &self,
        origin: &Origin,
        trace: &Trace,
    ) -> Result<(Stream, SocketAddr), Failure> {
        let addresses = self.addresses(origin, trace).await?;
        trace.enter(Phase::Connect, self.clock.now());
        let (stream, peer) = self.dial(&addresses, trace).await?;
        if !origin.secure {
            return Ok((Stream::Plain(stream), peer));
        }
        trace.enter(Phase::Tls, self.clock.now());
        Ok((self.handshake(origin, stream).await?, peer))
    }

    async fn dial(
        &self,
        addresses: &[SocketAddr],
        trace: &Trace,
    ) -> Result<(TcpStream, SocketAddr), Failure> {
        trace.peer(addresses[0]);
        let (stream, peer) = match &self.proxy {
            None => race::connect(addresses, &*self.clock).await.map_err(Failure::Connect)?,
            Some(proxy) => {
                let tunnel = proxy.tunnel(addresses, &*self.resolver, &*self.clock).await;
                tunnel.map_err(|failure| Failure::Proxy(proxy.clone(), failure))?
            }
        };
        trace.peer(peer);
        Ok((stream, peer))
    }

    /// The addresses that may be connected to, one at least; when there is none, the reason for the first.
    async fn addresses(&self, origin: &Origin, trace: &Trace) -> Result<Vec<SocketAddr>, Failure> {
        let resolved = match origin.literal {
            Some(address) => vec![SocketAddr::new(address, origin.port)],
            None => self.resolve(origin, trace).await?,
        };
        let mut refused = Failure::NoAddress;
        let mut allowed = Vec::with_capacity(resolved.len());
        for address in resolved.into_iter().rev() {
            match self.guard.check_address(origin.secure, &origin.host, address.ip()) {
                Ok(()) => allowed.push(address),
                Err(blocked) => refused = Failure::Blocked(blocked),
            }
        }
        allowed.reverse();
        if allowed.is_empty() { Err(refused) } else { Ok(allowed) }
    }

    async fn resolve(&self, origin: &Origin, trace: &Trace) -> Result<Vec<SocketAddr>, Failure> {
        trace.enter(Phase::Dns, self.clock.now());
        self.resolver.resolve(&origin.host, origin.port).await.map_err(Failure::Dns)
    }

    async fn handshake(&self, origin: &Origin, stream: TcpStream) -> Result<Stream, Failure> {
        let name = tls::server_name(origin)
            .ok_or_else(|| Failure::Url("its host is no name that a certificate can be for".to_owned()))?;
        let stream = self.tls.connect(name, stream).await.map_err(Failure::Tls)?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
