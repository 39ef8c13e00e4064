//! The HTTP sink over TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cogwire_core::time::Clock;
use cogwire_delivery::sink::{Deadline, OutgoingRequest};
use cogwire_delivery::{Answer, Class, HttpConfig, HttpSink, Sink, SystemResolver};
use http::HeaderMap;
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::http::open_guard;
use crate::support::clock::TestClock;
use crate::support::receiver::{Receiver, Reply};

/// A certificate that signed itself, and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// For these names, valid from the beginning of one year to the beginning of the other.
    pub(crate) fn new(names: &[&str], from: i32, to: i32) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(names.clone()).expect("valid names");
        // The machine may trust a certificate of such a name.
        params.distinguished_name.push(DnType::CommonName, format!("test of {}", names.join(" ")));
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        Self { certificate, key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key") }
    }
}

/// A certificate for these names, and a server that shows it.
pub(crate) fn server(names: &[&str]) -> (CertificateDer<'static>, TlsAcceptor) {
    server_in(names, 1975, 4096)
}

fn server_in(names: &[&str], from: i32, to: i32) -> (CertificateDer<'static>, TlsAcceptor) {
    let Identity { certificate, key } = Identity::new(names, from, to);
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("they fit");
    (certificate, TlsAcceptor::from(Arc::new(config)))
}

async fn post(url: &str, extra_roots: Vec<CertificateDer<'static>>) -> Answer {
    let clock = Arc::new(TestClock::new());
    let config = HttpConfig { extra_roots, ..HttpConfig::default() };
    let sink = HttpSink::new(config, open_guard(), Arc::new(SystemResolver), clock.clone());
    let after = Duration::from_secs(10);
    let request = OutgoingRequest { url, headers: HeaderMap::new(), body: Bytes::from_static(b"{}") };
    let answer = sink.post(request, Deadline { at: clock.monotonic() + after, after }).await;
    sink.close().await;
    answer
}

#[tokio::test]
async fn a_trusted_receiver_is_reached_by_name_and_by_address() {
    let (certificate, tls) = server(&["localhost", "127.0.0.1"]);
    let receiver = Receiver::start_tls(Reply::answer(200, "", "fine"), tls).await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/hook", receiver.address.port());
        let answer = post(&url, vec![certificate.clone()]).await;
        assert_eq!(answer.class, Class::Delivered, "{}", answer.detail);
    }
    assert_eq!(receiver.wait(2).await[0].line, "POST /hook HTTP/1.1");
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_refused_and_told_why() {
    let now_valid = |names| server_in(names, 1975, 4096);
    let (unknown, _) = server(&["other.example"]);
    let cases = [
        (server_in(&["localhost"], 1975, 2001), "expired on 2001-01-01: renew it", None),
        (server_in(&["localhost"], 4000, 4096), "is not valid before 4000-01-01", None),
        (
            now_valid(&["example.com"]),
            "is not for localhost, but for example.com: correct the URL's host",
            None,
        ),
        (now_valid(&["localhost"]), "its issuer is unknown: send the whole chain", Some(unknown)),
    ];
    for ((certificate, tls), part, trusted) in cases {
        let receiver = Receiver::start_tls(Reply::status(200), tls).await;
        let url = format!("https://localhost:{}/", receiver.address.port());
        let answer = post(&url, vec![trusted.unwrap_or(certificate)]).await;
        assert_eq!(answer.class, Class::Tls, "{}", answer.detail);
        assert!(answer.detail.contains(part), "{}", answer.detail);
        assert!(answer.seen.tls.is_some() && answer.seen.request.is_empty());
        assert_eq!(receiver.count(), 0);
    }
}

#[tokio::test]
async fn https_to_a_port_that_speaks_http_says_so() {
    let receiver = Receiver::always(Reply::BytesAndClose(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await;
    let url = format!("https://localhost:{}/", receiver.address.port());
    let (certificate, _) = server(&["localhost"]);
    let answer = post(&url, vec![certificate]).await;
    assert_eq!(answer.class, Class::Tls, "{}", answer.detail);
    assert!(answer.detail.contains("check that the port speaks https"), "{}", answer.detail);
}
