//! TLS towards receivers: the system's certificates, and those that were added by hand.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

use super::target::Origin;

/// A connector that trusts the system's certificates and these.
pub(super) fn connector(extra_roots: &[CertificateDer<'static>]) -> TlsConnector {
    let mut config = client_config(extra_roots);
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

fn client_config(extra_roots: &[CertificateDer<'static>]) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions");
    match verifier(extra_roots, provider) {
        Some(verifier) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
        None => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
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
