//! Certificates: from files, or made once and kept.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::private_file;
use crate::config::Tls;

/// TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or has no PEM section of the right kind.
    #[error("{}: {what} cannot be read from this file", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why not.
        #[source]
        error: pem::Error,
    },
    /// The file has no certificate.
    #[error("{}: there is no certificate in this file", .0.display())]
    NoCertificate(PathBuf),
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("the certificate in {} cannot be used with the key in {}", cert.display(), key.display())]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        #[source]
        error: rustls::Error,
    },
    /// A certificate could not be made.
    #[error("a self-signed certificate could not be made")]
    Make(#[source] rcgen::Error),
    /// A certificate could not be kept.
    #[error("{}: the self-signed certificate cannot be written there", path.display())]
    Keep {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// An acceptor for HTTP/1 and HTTP/2. `names` are what a self-signed certificate is for.
///
/// # Errors
/// When there is no usable pair of certificate and key.
pub(super) fn acceptor(tls: &Tls, data_dir: &Path, names: Vec<String>) -> Result<TlsAcceptor, TlsError> {
    let (cert, key) = match tls {
        Tls::Files { cert, key } => (cert.clone(), key.clone()),
        Tls::SelfSigned => self_signed(&data_dir.join("tls"), names)?,
    };
    let chain = read_chain(&cert)?;
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| TlsError::File {
        path: key.clone(),
        what: "a private key",
        error,
    })?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| TlsError::Pair { cert, key, error })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error| TlsError::File { path: path.to_owned(), what: "a certificate", error };
    let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let chain: Vec<_> = certificates.collect::<Result<_, _>>().map_err(unreadable)?;
    if chain.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}

/// The kept pair, or a new one. It is kept because clients were told to trust it.
fn self_signed(folder: &Path, names: Vec<String>) -> Result<(PathBuf, PathBuf), TlsError> {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    if cert.exists() && key.exists() {
        return Ok((cert, key));
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Make)?;
    let keep = |path: &Path, text: &str| {
        private_file::write(path, text).map_err(|error| TlsError::Keep { path: path.to_owned(), error })
    };
    keep(&key, &made.signing_key.serialize_pem())?;
    keep(&cert, &made.cert.pem())?;
    Ok((cert, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install_provider() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }

    #[test]
    fn a_self_signed_certificate_is_made_once() {
        install_provider();
        let data = tempfile::tempdir().expect("a folder");
        let make = || acceptor(&Tls::SelfSigned, data.path(), vec!["localhost".to_owned()]).map(drop);
        make().expect("it is made");
        let first = std::fs::read(data.path().join("tls/cert.pem")).expect("it is kept");
        make().expect("it is read");
        assert_eq!(std::fs::read(data.path().join("tls/cert.pem")).expect("it is kept"), first);
    }

    #[test]
    fn bad_files_are_named() {
        install_provider();
        let data = tempfile::tempdir().expect("a folder");
        let path = |name: &str| data.path().join(name);
        self_signed(&path("one"), vec!["a.test".to_owned()]).expect("made");
        self_signed(&path("two"), vec!["a.test".to_owned()]).expect("made");
        std::fs::write(path("empty"), "").expect("written");
        let refusal = |cert: &str, key: &str| {
            let tls = Tls::Files { cert: path(cert), key: path(key) };
            acceptor(&tls, data.path(), Vec::new()).map(drop).expect_err("it is refused").to_string()
        };
        assert!(refusal("none", "one/key.pem").contains("none: a certificate cannot be read"));
        assert!(refusal("empty", "one/key.pem").contains("there is no certificate"));
        assert!(refusal("one/cert.pem", "one/cert.pem").contains("a private key cannot be read"));
        assert!(refusal("one/cert.pem", "two/key.pem").contains("cannot be used with the key"));
    }
}
