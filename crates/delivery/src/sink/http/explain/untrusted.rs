//! Why there is no TLS, in words that say what to do.

use std::error::Error;
use std::io;

use cogwire_core::time::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

/// What the other side says about a connection that it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alert(AlertDescription);

/// The handshake failed.
pub(super) fn tls(place: &str, error: &io::Error) -> String {
    match rustls_error(error) {
        Some(rustls::Error::InvalidCertificate(reason)) => certificate(place, reason),
        Some(rustls::Error::AlertReceived(alert)) => Alert(*alert).explain(place),
        _ => {
            format!("TLS with {place} failed: {error}; check that the port speaks https, with TLS 1.2 or 1.3")
        }
    }
}

/// The alert that is behind the error of a connection. With TLS 1.3 a receiver judges this server's certificate only after
/// the handshake.
pub(super) fn alert(error: &(dyn Error + 'static)) -> Option<Alert> {
    match rustls_error(error)? {
        rustls::Error::AlertReceived(alert) => Some(Alert(*alert)),
        _ => None,
    }
}

impl Alert {
    pub(super) fn explain(self, place: &str) -> String {
        match self.0 {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => format!(
                "{place} asks for a certificate: give this server one by --webhook-client-cert and --webhook-client-key"
            ),
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA => format!(
                "{place} does not take this server's certificate ({:?}): renew --webhook-client-cert, or let the receiver \
                 trust its issuer",
                self.0
            ),
            other => format!("{place} ended TLS ({other:?}): look into the receiver's logs"),
        }
    }
}

fn certificate(place: &str, reason: &CertificateError) -> String {
    match reason {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate of {place} expired on {}: renew it at the receiver", date(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the certificate of {place} is not valid before {}: check the clocks of the receiver's issuer and of this server",
            date(*not_before)
        ),
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the certificate of {place} is not for {}, but for {}: correct the URL's host, or let the receiver show another \
             certificate",
            expected.to_str(),
            names(presented)
        ),
        CertificateError::UnknownIssuer => format!(
            "the certificate of {place} is not trusted, because its issuer is unknown: send the whole chain, or give this \
             server the issuer's certificate by --webhook-ca"
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => format!(
            "the certificate of {place} is signed in a way that is not supported: make one with ECDSA P-256, or RSA of 2048 \
             bits, and SHA-256"
        ),
        _ if is_of_an_issuer(reason) => format!(
            "the certificate of {place} is an issuer's, with which no server may answer: make one that is none (openssl req: \
             -addext basicConstraints=critical,CA:FALSE)"
        ),
        _ => format!(
            "the certificate of {place} is not trusted: {reason}; send the whole chain, or give this server the issuer's \
             certificate by --webhook-ca"
        ),
    }
}

/// What `openssl req -x509` makes when nothing else is asked of it. The library has no name for this but in its debug text.
fn is_of_an_issuer(reason: &CertificateError) -> bool {
    matches!(reason, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

/// The names as the certificate has them, without the words around each that say what kind it is.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name at all".to_owned();
    }
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').to_owned()
    };
    presented.iter().take(MAX_NAMES).map(bare).collect::<Vec<_>>().join(", ")
}

/// The most names of a certificate that are shown.
const MAX_NAMES: usize = 5;

/// The day, in UTC.
fn date(time: UnixTime) -> String {
    let micros = i64::try_from(time.as_secs()).ok().and_then(|seconds| seconds.checked_mul(1_000_000));
    let text = Timestamp::from_micros(micros.unwrap_or(i64::MAX)).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// The error of TLS itself, however deep it is. An [`io::Error`] does not name what it holds as its source.
fn rustls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    /// An error of another library.
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Unnamed(&'static str);

    fn text(reason: CertificateError) -> String {
        let error = io::Error::other(rustls::Error::InvalidCertificate(reason));
        tls("example.com:443", &error)
    }

    #[test]
    fn certificates_are_told_apart() {
        let day = |day: u64| UnixTime::since_unix_epoch(Duration::from_secs(day * 86_400));
        let expired = CertificateError::ExpiredContext { time: day(2), not_after: day(1) };
        assert_eq!(
            text(expired),
            "the certificate of example.com:443 expired on 1970-01-02: renew it at the receiver"
        );
        let early = CertificateError::NotValidYetContext { time: day(1), not_before: day(400) };
        assert!(text(early).contains("is not valid before 1971-02-05"));
        assert!(text(CertificateError::UnknownIssuer).contains("--webhook-ca"));
        assert!(text(CertificateError::Revoked).contains("is not trusted"));
        let issuer = rustls::OtherError(Arc::new(Unnamed("CaUsedAsEndEntity")));
        assert!(text(CertificateError::Other(issuer)).contains("CA:FALSE"));
    }

    #[test]
    fn an_alert_is_found_behind_other_errors() {
        let refused = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let error = io::Error::other(io::Error::other(refused));
        let alert = alert(&error).expect("it is behind both");
        assert!(alert.explain("example.com:443").contains("--webhook-client-cert"));
        assert_eq!(super::alert(&io::Error::other("else")), None);
    }
}
