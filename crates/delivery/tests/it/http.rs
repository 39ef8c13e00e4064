//! The HTTP sink alone: every way in which a receiver can misbehave, and what is said about it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cogwire_core::time::Clock;
use cogwire_delivery::sink::http::Resolver;
use cogwire_delivery::sink::{Deadline, OutgoingRequest};
use cogwire_delivery::{Answer, Class, Guard, HttpConfig, HttpSink, Policy, Sink, SystemResolver};
use http::{HeaderMap, HeaderValue};

use crate::support::clock::TestClock;
use crate::support::receiver::{Receiver, Reply};

const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn open_guard() -> Guard {
    Guard::new(Policy { loopback_allowed: true, allow: Vec::new() })
}

struct Bench {
    clock: TestClock,
    sink: HttpSink,
}

impl Bench {
    fn new() -> Self {
        Self::with(open_guard(), Arc::new(SystemResolver))
    }

    fn with(guard: Guard, resolver: Arc<dyn Resolver>) -> Self {
        let clock = TestClock::new();
        let sink = HttpSink::new(HttpConfig::default(), guard, resolver, Arc::new(clock.clone()));
        Self { clock, sink }
    }

    async fn post(&self, url: &str) -> Answer {
        self.post_body(url, Bytes::from_static(b"{}")).await
    }

    async fn post_body(&self, url: &str, body: Bytes) -> Answer {
        let deadline = Deadline { at: self.clock.monotonic() + TIMEOUT, after: TIMEOUT };
        self.sink.post(OutgoingRequest { url, headers: HeaderMap::new(), body }, deadline).await
    }

    /// Posts, and lets the deadline pass once the request is there.
    async fn post_too_late(&self, receiver: &Receiver) -> Answer {
        let url = receiver.url("/");
        let (answer, ()) = tokio::join!(self.post(&url), async {
            receiver.wait(1).await;
            // Whatever the receiver sends at once should be there, so that the phase is what it is about.
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.clock.advance(TIMEOUT);
        });
        answer
    }
}

fn check(answer: &Answer, class: Class, status: Option<u16>, part: &str) {
    assert_eq!((answer.class, answer.status), (class, status), "{}", answer.detail);
    assert!(answer.detail.contains(part), "{}", answer.detail);
}

#[tokio::test]
async fn a_request_arrives_as_it_was_given() {
    let (bench, receiver) = (Bench::new(), Receiver::always(Reply::status(204)).await);
    let body = Bytes::from("é\n{\"a\": 1}".repeat(1000));
    let answer = bench.post_body(&receiver.url("/hook?a=b%20c#part"), body.clone()).await;
    check(&answer, Class::Delivered, Some(204), "on a new connection");
    let request = &receiver.wait(1).await[0];
    assert_eq!(request.line, "POST /hook?a=b%20c HTTP/1.1");
    assert_eq!(request.header("host"), Some(receiver.address.to_string().as_str()));
    assert_eq!(request.header("content-length"), Some(body.len().to_string().as_str()));
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(request.body, body);
}

#[tokio::test]
async fn connections_are_kept_for_a_while() {
    let (bench, receiver) = (Bench::new(), Receiver::always(Reply::answer(200, "", "fine")).await);
    for _ in 0..3 {
        assert_eq!(bench.post(&receiver.url("/")).await.class, Class::Delivered);
    }
    bench.clock.advance(Duration::from_secs(5));
    bench.post(&receiver.url("/")).await;
    let connections: Vec<usize> = receiver.wait(4).await.iter().map(|request| request.connection).collect();
    assert_eq!(connections, [1, 1, 1, 2]);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced() {
    let reply = Reply::BytesAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec());
    let (bench, receiver) = (Bench::new(), Receiver::always(reply).await);
    for _ in 0..20 {
        assert_eq!(bench.post(&receiver.url("/")).await.class, Class::Delivered);
        // The closing must have arrived: without it the request would cross with it.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(receiver.count(), 20);
}

#[tokio::test]
async fn redirects_are_told_and_not_followed() {
    let target = Receiver::always(Reply::status(200)).await;
    let (bench, location) = (Bench::new(), target.url("/new"));
    for status in [301, 302, 303, 307, 308] {
        let reply = Reply::answer(status, &format!("location: {location}\r\n"), "");
        let receiver = Receiver::always(reply).await;
        let answer = bench.post(&receiver.url("/")).await;
        check(&answer, Class::Redirect, Some(status), &format!("to {location}: update the URL"));
    }
    assert_eq!(target.count(), 0);
}

#[tokio::test]
async fn refusals_are_quoted() {
    let bench = Bench::new();
    let receiver = Receiver::always(Reply::answer(500, "retry-after: 3\r\n", "out of cheese")).await;
    let answer = bench.post(&receiver.url("/")).await;
    check(&answer, Class::Status, Some(500), "it said: out of cheese");
    assert_eq!(answer.retry_after.as_deref(), Some("3"));
}

#[tokio::test]
async fn what_was_seen_is_told_as_it_was() {
    let (bench, receiver) =
        (Bench::new(), Receiver::always(Reply::answer(200, "x-served-by: web-7\r\n", "fine")).await);
    for kept in [false, true] {
        let seen = bench.post(&receiver.url("/")).await.seen;
        assert_eq!(seen.peer, Some(receiver.address));
        assert_eq!((seen.dns, seen.tls), (None, None));
        assert_eq!(seen.connect.is_none(), kept);
        assert!(seen.first_byte.is_some());
        assert_eq!(seen.request.get("content-length").map(HeaderValue::as_bytes), Some(&b"2"[..]));
        assert_eq!(
            seen.request.get("host").and_then(|host| host.to_str().ok()),
            Some(&*receiver.address.to_string())
        );
        let response = seen.response.expect("it answered");
        assert_eq!(response.headers.get("x-served-by").map(HeaderValue::as_bytes), Some(&b"web-7"[..]));
        assert_eq!((response.body.as_slice(), response.truncated), (&b"fine"[..], false));
    }
}

#[tokio::test]
async fn of_a_body_more_is_kept_when_the_message_was_refused() {
    let bench = Bench::new();
    for (status, size, kept) in
        [(200, 1024, 1024), (200, 1025, 1024), (500, 65_536, 65_536), (500, 65_537, 65_536)]
    {
        let receiver = Receiver::always(Reply::answer(status, "", &"x".repeat(size))).await;
        let response = bench.post(&receiver.url("/")).await.seen.response.expect("it answered");
        assert_eq!(
            (response.body.len(), response.truncated),
            (kept, size > kept),
            "of {size} after {status}"
        );
    }
}

#[tokio::test]
async fn what_came_before_the_deadline_is_kept() {
    let head = b"HTTP/1.1 500 X\r\ncontent-length: 1000000\r\n\r\nhalf".to_vec();
    let receiver = Receiver::always(Reply::BytesAndHang(head)).await;
    let response = Bench::new().post_too_late(&receiver).await.seen.response.expect("it began");
    assert_eq!((response.body.as_slice(), response.truncated), (&b"half"[..], true));

    let receiver = Receiver::always(Reply::hang()).await;
    let seen = Bench::new().post_too_late(&receiver).await.seen;
    assert_eq!((seen.first_byte, seen.response), (None, None));
    assert!(!seen.request.is_empty());
}

#[tokio::test]
async fn a_huge_answer_is_read_to_the_bound() {
    let bench = Bench::new();
    for (status, class) in [(200, Class::Delivered), (500, Class::Status)] {
        let receiver = Receiver::always(Reply::answer(status, "", &"x".repeat(20_000_000))).await;
        let answer = bench.post(&receiver.url("/")).await;
        check(&answer, class, Some(status), "answered");
        assert!(answer.detail.len() < 1500, "{}", answer.detail.len());
    }
}

#[tokio::test]
async fn an_endless_answer_that_is_fast_ends_at_the_bound() {
    let reply = Reply::BytesAndHang([&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[b'x'; 70_000]].concat());
    let (bench, receiver) = (Bench::new(), Receiver::always(reply).await);
    check(&bench.post(&receiver.url("/")).await, Class::Delivered, Some(200), "answered 200");
}

#[tokio::test]
async fn the_deadline_covers_everything() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
    let cases = [
        (Reply::hang(), None, "no answer from"),
        (Reply::Drip(b"HTTP/1.1 200 OK\r\nx-slow: ".to_vec()), None, "no answer from"),
        (Reply::BytesAndHang(head.clone()), Some(200), "its answer did not end within 10 s"),
        (Reply::Drip(head), Some(200), "its answer did not end within 10 s"),
    ];
    for (reply, status, part) in cases {
        let receiver = Receiver::always(reply).await;
        check(&Bench::new().post_too_late(&receiver).await, Class::Timeout, status, part);
    }
}

#[tokio::test]
async fn broken_answers_are_told_apart() {
    let bench = Bench::new();
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200_000)).into_bytes();
    let cases = [
        (Reply::Reset, "closed the connection before its answer was whole"),
        (Reply::BytesAndClose(Vec::new()), "closed the connection before its answer was whole"),
        (Reply::BytesAndClose(half), "closed the connection before its answer was whole"),
        (Reply::BytesAndClose(b"220 mail.example ESMTP\r\n\r\n".to_vec()), "is not HTTP"),
        (Reply::BytesAndClose(long), "longer than 64 KiB or has more than 100 headers"),
        (Reply::answer(200, &"x: y\r\n".repeat(101), ""), "longer than 64 KiB or has more than 100 headers"),
    ];
    for (reply, part) in cases {
        let receiver = Receiver::always(reply).await;
        check(&bench.post(&receiver.url("/")).await, Class::Protocol, None, part);
        assert_eq!(receiver.count(), 1, "what may have been processed is not sent again");
    }
}

fn unused_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound")
}

#[tokio::test]
async fn nothing_listens() {
    let answer = Bench::new().post(&format!("http://{}/", unused_address())).await;
    check(&answer, Class::Connect, None, "nothing listens at 127.0.0.1:");
    assert!(answer.seen.peer.is_some() && answer.seen.connect.is_some() && answer.seen.request.is_empty());
}

/// Answers every name with these addresses.
struct Fixed(io::Result<Vec<SocketAddr>>);

#[async_trait]
impl Resolver for Fixed {
    async fn resolve(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        match &self.0 {
            Ok(addresses) => Ok(addresses.clone()),
            Err(error) => Err(error.kind().into()),
        }
    }
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_stands_for() {
    let receiver = Receiver::always(Reply::status(200)).await;
    let strict = || Guard::new(Policy::default());
    let rebound = Bench::with(strict(), Arc::new(Fixed(Ok(vec![receiver.address]))));
    check(
        &rebound.post("https://example.com/").await,
        Class::Blocked,
        None,
        "example.com (127.0.0.1) is this server's own machine",
    );
    check(&rebound.post("http://example.com/").await, Class::Blocked, None, "plain http to example.com");
    check(&rebound.post(&receiver.url("/")).await, Class::Blocked, None, "--webhook-allow loopback");
    check(&rebound.post("not a url").await, Class::Blocked, None, "cannot be used");

    let nameless = Bench::with(strict(), Arc::new(Fixed(Err(io::ErrorKind::NotFound.into()))));
    check(&nameless.post("https://example.com/").await, Class::Dns, None, "example.com:443 was not resolved");
    let empty = Bench::with(strict(), Arc::new(Fixed(Ok(Vec::new()))));
    check(&empty.post("https://example.com/").await, Class::Dns, None, "stands for no address");
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn of_several_addresses_one_that_is_allowed_and_answers_is_used() {
    let receiver = Receiver::always(Reply::status(200)).await;
    let gone = unused_address();
    let forbidden = SocketAddr::from(([169, 254, 169, 254], 80));
    let addresses = vec![forbidden, gone, receiver.address];
    let guard =
        Guard::new(Policy { loopback_allowed: false, allow: vec!["receiver.test".parse().expect("a host")] });
    let bench = Bench::with(guard, Arc::new(Fixed(Ok(addresses))));
    check(&bench.post("http://receiver.test/").await, Class::Delivered, Some(200), "");
    assert_eq!(receiver.wait(1).await[0].header("host"), Some("receiver.test"));
}

#[tokio::test]
async fn closing_ends_everything() {
    let (bench, receiver) = (Bench::new(), Receiver::always(Reply::status(200)).await);
    bench.post(&receiver.url("/")).await;
    let closed = tokio::time::timeout(Duration::from_secs(10), bench.sink.close());
    closed.await.expect("kept connections do not hold it up");
}
