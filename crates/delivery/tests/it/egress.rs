//! The way out: through a proxy, with headers and a certificate of one's own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cogwire_core::time::Clock;
use cogwire_delivery::sink::http::Resolver;
use cogwire_delivery::sink::{Deadline, OutgoingRequest};
use cogwire_delivery::{
    Answer, Class, ClientCertificate, Guard, HttpConfig, HttpSink, Policy, Sink, SystemResolver,
};
use http::HeaderMap;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use crate::http::open_guard;
use crate::support::clock::TestClock;
use crate::support::proxy::TestProxy;
use crate::support::receiver::{Receiver, Reply};
use crate::tls::{Identity, server};

/// Every name is this machine, at the port that is asked for.
struct Here;

#[async_trait]
impl Resolver for Here {
    async fn resolve(&self, _host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }
}

async fn post(config: HttpConfig, guard: Guard, resolver: impl Resolver, url: &str) -> Answer {
    let clock = Arc::new(TestClock::new());
    let sink = HttpSink::new(config, guard, Arc::new(resolver), clock.clone());
    let after = Duration::from_secs(10);
    let request = OutgoingRequest { url, headers: HeaderMap::new(), body: Bytes::from_static(b"{}") };
    let answer = sink.post(request, Deadline { at: clock.monotonic() + after, after }).await;
    sink.close().await;
    answer
}

fn through(proxy: &TestProxy) -> HttpConfig {
    HttpConfig { proxy: Some(proxy.url().parse().expect("a proxy")), ..HttpConfig::default() }
}

fn allowing(what: &str) -> Guard {
    Guard::new(Policy { loopback_allowed: false, allow: vec![what.parse().expect("an exception")] })
}

#[tokio::test]
async fn requests_go_through_a_tunnel_to_the_address_that_was_judged() {
    let proxy = TestProxy::start("HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n").await;
    let (certificate, tls) = server(&["receiver.test"]);
    let secure = Receiver::start_tls(Reply::status(200), tls).await;
    let plain = Receiver::always(Reply::status(200)).await;
    for (scheme, receiver) in [("https", &secure), ("http", &plain)] {
        let config = HttpConfig { extra_roots: vec![certificate.clone()], ..through(&proxy) };
        let url = format!("{scheme}://receiver.test:{}/hook", receiver.address.port());
        let answer = post(config, allowing("receiver.test"), Here, &url).await;
        assert_eq!(answer.class, Class::Delivered, "{}", answer.detail);
        assert_eq!(answer.seen.peer, Some(receiver.address));
        let host = format!("receiver.test:{}", receiver.address.port());
        assert_eq!(receiver.wait(1).await[0].header("host"), Some(host.as_str()));
    }
    let lines = [secure.address, plain.address].map(|address| format!("CONNECT {address} HTTP/1.1"));
    assert_eq!(proxy.asked(), lines);
}

#[tokio::test]
async fn a_proxy_is_never_asked_for_an_address_that_is_forbidden() {
    let proxy = TestProxy::start("HTTP/1.1 200 OK\r\n\r\n").await;
    let strict = || Guard::new(Policy::default());
    for url in
        ["https://example.com/", "http://example.com/", "https://127.0.0.1/", "https://169.254.169.254/"]
    {
        let answer = post(through(&proxy), strict(), Here, url).await;
        assert_eq!(answer.class, Class::Blocked, "{url}: {}", answer.detail);
    }
    assert_eq!(proxy.asked(), [""; 0]);
}

#[tokio::test]
async fn what_a_proxy_answers_is_told_apart() {
    let cases = [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", Class::Blocked, "does not let requests through"),
        ("HTTP/1.1 407 Authenticate\r\n\r\n", Class::Blocked, "asks for a password"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", Class::Connect, "has no connection to receiver.test:80"),
        ("SSH-2.0-server\r\n\r\n", Class::Connect, "is not HTTP"),
        ("HTTP/1.1 200", Class::Connect, "opened no tunnel"),
    ];
    for (reply, class, part) in cases {
        let proxy = TestProxy::start(reply).await;
        let answer = post(through(&proxy), allowing("receiver.test"), Here, "http://receiver.test/").await;
        assert_eq!(answer.class, class, "{}", answer.detail);
        assert!(answer.detail.contains(part), "{}", answer.detail);
        assert_eq!((answer.status, answer.seen.request.len()), (None, 0));
    }
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    let proxy = TestProxy::start(&long).await;
    let answer = post(through(&proxy), allowing("receiver.test"), Here, "http://receiver.test/").await;
    assert!(answer.detail.contains("its answer is too long"), "{}", answer.detail);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let config =
        HttpConfig { proxy: Some("http://127.0.0.1:9".parse().expect("a proxy")), ..HttpConfig::default() };
    let answer = post(config, allowing("receiver.test"), Here, "http://receiver.test/").await;
    assert_eq!(answer.class, Class::Connect, "{}", answer.detail);
    assert!(answer.detail.contains("no connection to the proxy 127.0.0.1:9"), "{}", answer.detail);
}

#[tokio::test]
async fn a_proxys_password_is_sent_to_it_alone_and_never_shown() {
    let proxy = TestProxy::start("HTTP/1.1 200 OK\r\n\r\n").await;
    let receiver = Receiver::always(Reply::status(500)).await;
    let url = proxy.url().replace("http://", "http://me:secret@");
    let config = HttpConfig { proxy: Some(url.parse().expect("a proxy")), ..HttpConfig::default() };
    let answer = post(config, open_guard(), Here, &receiver.url("/")).await;
    assert_eq!(proxy.headers(), ["Proxy-Authorization: Basic bWU6c2VjcmV0"]);
    assert_eq!(receiver.wait(1).await[0].header("proxy-authorization"), None);
    assert!(!format!("{answer:?}").contains("secret"), "{answer:?}");
}

#[tokio::test]
async fn headers_of_the_configuration_arrive_and_stay_secret() {
    let echo = Receiver::start(|request, _| {
        let token = request.header("x-token").unwrap_or_default();
        Reply::answer(500, &format!("x-echo: {token}\r\n"), &format!("you sent {token}"))
    })
    .await;
    let headers =
        ["X-Token: very-secret", "X-Team: a, b"].map(|text| text.parse().expect("a header")).to_vec();
    let config = HttpConfig { headers, ..HttpConfig::default() };
    let answer = post(config, open_guard(), SystemResolver, &echo.url("/")).await;
    let request = &echo.wait(1).await[0];
    assert_eq!((request.header("x-token"), request.header("x-team")), (Some("very-secret"), Some("a, b")));
    assert!(answer.detail.ends_with("it said: you sent (hidden)"), "{}", answer.detail);
    assert!(!format!("{answer:?}").contains("very-secret"), "{answer:?}");
}

/// A server that asks for a certificate of this issuer.
fn asking(own: &Identity, issuer: &CertificateDer<'static>) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    roots.add(issuer.clone()).expect("a certificate");
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.expect("roots"))
        .with_single_cert(vec![own.certificate.clone()], own.key.clone_key())
        .expect("they fit");
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_certificate_gets_the_configured_one() {
    let (server, client) =
        (Identity::new(&["localhost"], 1975, 4096), Identity::new(&["cogwire"], 1975, 4096));
    let receiver = Receiver::start_tls(Reply::status(200), asking(&server, &client.certificate)).await;
    let url = format!("https://localhost:{}/", receiver.address.port());
    let trusting = || HttpConfig { extra_roots: vec![server.certificate.clone()], ..HttpConfig::default() };

    let without = post(trusting(), open_guard(), SystemResolver, &url).await;
    assert!(matches!(without.class, Class::Tls | Class::Protocol), "{}", without.detail);
    assert_eq!(receiver.count(), 0);

    let pair = ClientCertificate::new(vec![client.certificate.clone()], client.key.clone_key());
    let config = HttpConfig { certificate: Some(pair.expect("they belong together")), ..trusting() };
    let with = post(config, open_guard(), SystemResolver, &url).await;
    assert_eq!(with.class, Class::Delivered, "{}", with.detail);
}

#[test]
fn a_certificate_with_anothers_key_is_refused() {
    let (one, other) = (Identity::new(&["one"], 1975, 4096), Identity::new(&["other"], 1975, 4096));
    assert!(ClientCertificate::new(vec![one.certificate], other.key).is_err());
}
