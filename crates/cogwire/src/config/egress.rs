//! How webhooks leave the server.

use std::path::PathBuf;

use cogwire_delivery::{CustomHeader, Proxy};

/// The way out. `Debug` shows no secret.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    /// Headers that every request carries beside its own.
    pub headers: Vec<CustomHeader>,
    /// The proxy to go through.
    pub proxy: Option<Proxy>,
    /// A PEM file with certificates that are trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// What receivers that ask for a certificate are shown.
    pub certificate: Option<CertificateFiles>,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}
