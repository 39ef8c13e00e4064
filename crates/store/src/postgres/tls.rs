//! TLS towards the database.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::url::{Encryption, Roots};
use crate::error::{Error, Result};

/// How connections are encrypted.
#[derive(Clone)]
pub(super) enum Tls {
    /// Not at all.
    Off,
    /// With TLS.
    On(MakeRustlsConnect),
}

impl Tls {
    /// Reads the certificates that are trusted.
    pub(super) fn new(encryption: &Encryption) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match encryption {
            Encryption::Off => return Ok(Self::Off),
            Encryption::Unverified => Arc::new(AnyCertificate(provider)),
            Encryption::Verified(Roots::System) => Arc::new(system(provider)?),
            Encryption::Verified(Roots::File(path)) => Arc::new(TrustedFile::read(path, provider)?),
        };
        Ok(Self::On(MakeRustlsConnect::new(client_config(verifier))))
    }
}

fn client_config(verifier: Arc<dyn ServerCertVerifier>) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // PostgreSQL 17 and later ask for it when TLS comes first on the connection.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    config
}

fn system(provider: Arc<CryptoProvider>) -> Result<Verifier> {
    Verifier::new(provider).map_err(|error| {
        Error::Setup(format!(
            "--database-url asks for a verified connection, and the system's certificates cannot be read ({error}): install \
             the package ca-certificates, or name a file of certificates with sslrootcert=FILE"
        ))
    })
}

/// Trusts whoever has the key of the certificate that is shown.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Trusts what the certificates of a file vouch for, and a server whose own certificate is among them: that is how
/// PostgreSQL's manual sets up a self-signed one.
#[derive(Debug)]
struct TrustedFile {
    certificates: Vec<CertificateDer<'static>>,
    chain: Arc<WebPkiServerVerifier>,
}

impl TrustedFile {
    fn read(path: &Path, provider: Arc<CryptoProvider>) -> Result<Self> {
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
            .map_err(|error| unreadable(path, &error))?;
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| unreadable(path, &error))?;
        }
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        Ok(Self { chain: chain.build().map_err(|error| unreadable(path, &error))?, certificates })
    }
}

impl ServerCertVerifier for TrustedFile {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if self.certificates.contains(end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Setup(format!(
        "the file that sslrootcert names in --database-url cannot be used: {}: {error}; it must hold certificates in PEM",
        path.display()
    ))
}
