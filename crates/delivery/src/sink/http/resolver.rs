//! Names to addresses.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;

/// Resolves names. What it returns is judged by the guard; it need not judge anything itself.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// Every address of `host`, the preferred one first.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}
