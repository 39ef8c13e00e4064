//! How webhooks leave the server: what the configuration names, read once.

use cogwire_delivery::{ClientCertificate, HttpConfig};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::Error;
use super::tls::{TlsError, read_chain};
use crate::config::{CertificateFiles, Webhooks};

/// What the sender of webhooks needs.
///
/// # Errors
/// When a file cannot be used.
pub(super) fn http_config(webhooks: &Webhooks) -> Result<HttpConfig, Error> {
    let egress = &webhooks.egress;
    let extra_roots = egress.ca.as_deref().map(read_chain).transpose().map_err(Error::WebhookTls)?;
    let certificate = egress.certificate.as_ref().map(certificate).transpose().map_err(Error::WebhookTls)?;
    Ok(HttpConfig {
        max_idle: webhooks.concurrency,
        extra_roots: extra_roots.unwrap_or_default(),
        certificate,
        headers: egress.headers.clone(),
        proxy: egress.proxy.clone(),
        ..HttpConfig::default()
    })
}

fn certificate(files: &CertificateFiles) -> Result<ClientCertificate, TlsError> {
    let CertificateFiles { cert, key } = files.clone();
    let chain = read_chain(&cert)?;
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| TlsError::File {
        path: key.clone(),
        what: "a private key",
        error,
    })?;
    ClientCertificate::new(chain, private).map_err(|error| TlsError::Pair { cert, key, error })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::CertifiedKey;

    use super::*;
    use crate::config::{Config, Egress};

    fn webhooks(egress: Egress) -> Webhooks {
        let config = Config::defaults(Path::new("/data")).expect("the defaults are valid");
        Webhooks { egress, ..config.webhooks }
    }

    #[test]
    fn files_are_read_and_bad_ones_are_named() {
        let data = tempfile::tempdir().expect("a folder");
        let path = |name: &str| data.path().join(name);
        for name in ["one", "two"] {
            let CertifiedKey { cert, signing_key } =
                rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).expect("made");
            std::fs::write(path(&format!("{name}.pem")), cert.pem()).expect("written");
            std::fs::write(path(&format!("{name}.key")), signing_key.serialize_pem()).expect("written");
        }
        let with = |cert: &str, key: &str, ca: &str| {
            let certificate = Some(CertificateFiles { cert: path(cert), key: path(key) });
            http_config(&webhooks(Egress { ca: Some(path(ca)), certificate, ..Egress::default() }))
        };
        let config = with("one.pem", "one.key", "two.pem").expect("they fit");
        assert_eq!((config.extra_roots.len(), config.certificate.is_some()), (1, true));
        for (cert, key, ca) in [
            ("one.pem", "two.key", "one.pem"),
            ("gone.pem", "one.key", "one.pem"),
            ("one.pem", "one.key", "one.key"),
        ] {
            let refused = with(cert, key, ca).expect_err("it cannot be used");
            assert!(matches!(refused, Error::WebhookTls(_)), "{refused}");
        }
    }
}
