//! TLS towards receivers: the system's certificates, and those that were added by hand.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

use super::target::Origin;

/// A certificate of this server, for receivers that ask for one. `Debug` does not show its key.
#[derive(Debug, Clone)]
pub struct ClientCertificate(Arc<SingleCertAndKey>);

impl ClientCertificate {
    /// The certificate with those that issued it, itself first, and its private key.
    ///
    /// # Errors
    /// When they do not belong together, or are of a kind that is not supported.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let pair = CertifiedKey::from_der(chain, key, &ring::default_provider())?;
        Ok(Self(Arc::new(SingleCertAndKey::from(pair))))
    }
}

/// A connector that trusts the system's certificates and these.
pub(super) fn connector(
    extra_roots: &[CertificateDer<'static>],
    certificate: Option<&ClientCertificate>,
) -> TlsConnector {
    let mut config = client_config(extra_roots, certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// The name that the receiver's certificate must be for.
pub(super) fn server_name(origin: &Origin) -> Option<ServerName<'static>> {
    match origin.literal {
        Some(address) => Some(ServerName::IpAddress(address.into())),
        None => ServerName::try_from(origin.host.trim_end_matches('.').to_owned()).ok(),
    }
}

fn client_config(
    extra_roots: &[CertificateDer<'static>],
    certificate: Option<&ClientCertificate>,
) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions");
    let builder = match verifier(extra_roots, provider) {
        Some(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    match certificate {
        Some(ClientCertificate(pair)) => builder.with_client_cert_resolver(Arc::clone(pair) as Arc<_>),
        None => builder.with_no_client_auth(),
    }
}

/// Without any certificate to trust, https fails receiver by receiver, and everything else works.
fn verifier(extra_roots: &[CertificateDer<'static>], provider: Arc<CryptoProvider>) -> Option<Verifier> {
    match Verifier::new_with_extra_roots(extra_roots.iter().cloned(), provider) {
        Ok(verifier) => Some(verifier),
        Err(error) => {
            tracing::warn!(%error, "no https receiver can be trusted: install the system's CA certificates (package ca-certificates) or set SSL_CERT_FILE");
            None
        }
    }
}
