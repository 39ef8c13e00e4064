//! Every spelling of an address that webhooks may not go to, through the real sink: nothing connects.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cogwire_core::time::Clock;
use cogwire_delivery::sink::http::Resolver;
use cogwire_delivery::sink::{Deadline, OutgoingRequest};
use cogwire_delivery::{Answer, Class, Guard, HttpConfig, HttpSink, Policy, Sink};
use http::HeaderMap;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::addresses::ADDRESSES;
use crate::support::clock::TestClock;
use crate::support::receiver::{Receiver, Reply};

/// Counts whoever connects, on both loopback addresses.
struct Trap {
    port: u16,
    caught: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl Trap {
    async fn new() -> Self {
        let (stop, tasks, caught) =
            (CancellationToken::new(), TaskTracker::new(), Arc::<AtomicUsize>::default());
        let v4 = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = v4.local_addr().expect("it is bound").port();
        // A machine may be without IPv6, and the port may be taken there: then nothing can connect.
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
        for listener in std::iter::once(v4).chain(v6) {
            let (caught, stop) = (Arc::clone(&caught), stop.clone());
            tasks.spawn(async move {
                while let Some(Ok(_)) = stop.run_until_cancelled(listener.accept()).await {
                    caught.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { port, caught, _stop: stop.drop_guard() }
    }

    fn url(&self, pattern: &str) -> String {
        pattern.replace("PORT", &self.port.to_string())
    }

    fn caught(&self) -> usize {
        self.caught.load(Ordering::SeqCst)
    }
}

/// Answers each look-up with the next of these, and the last one for ever.
struct Names {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Names {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().expect("an address")).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, _host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().expect("nobody panics with it");
        let addresses = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(addresses.unwrap_or_default().into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }
}

fn guard(allow: &[&str]) -> Guard {
    let allow = allow.iter().map(|text| text.parse().expect("an exception")).collect();
    Guard::new(Policy { loopback_allowed: false, allow })
}

struct Bench {
    clock: Arc<TestClock>,
    sink: HttpSink,
}

impl Bench {
    fn new(guard: Guard, names: Arc<Names>) -> Self {
        let clock = Arc::new(TestClock::new());
        Self { sink: HttpSink::new(HttpConfig::default(), guard, names, clock.clone()), clock }
    }

    async fn post(&self, url: &str) -> Answer {
        let after = Duration::from_secs(10);
        let request = OutgoingRequest { url, headers: HeaderMap::new(), body: Bytes::from_static(b"{}") };
        self.sink.post(request, Deadline { at: self.clock.monotonic() + after, after }).await
    }
}

#[tokio::test]
async fn no_spelling_of_a_forbidden_address_is_connected_to() {
    let trap = Trap::new().await;
    let forbidden: Vec<_> = ADDRESSES.iter().filter(|(_, _, rule)| *rule != "ok").collect();
    assert!(forbidden.len() >= 60, "{} spellings", forbidden.len());
    for (pattern, resolved, rule) in forbidden {
        let answer = Bench::new(guard(&[]), Names::new(&[resolved])).post(&trap.url(pattern)).await;
        assert_eq!(answer.class, Class::Blocked, "{pattern} ({rule}): {}", answer.detail);
        assert_eq!(answer.seen.peer, None, "{pattern} was connected to");
    }
    assert_eq!(trap.caught(), 0);
}

/// The trap is where those spellings lead: with loopback allowed, they do connect.
#[tokio::test]
async fn the_same_spellings_connect_where_that_is_allowed() {
    let trap = Trap::new().await;
    for pattern in ["http://127.0.0.1:PORT/", "http://2130706433:PORT/", "http://localtest.example:PORT/"] {
        let before = trap.caught();
        let bench = Bench::new(guard(&["loopback", "localtest.example"]), Names::new(&[&["127.0.0.1"]]));
        let answer = bench.post(&trap.url(pattern)).await;
        assert_eq!(answer.class, Class::Protocol, "{pattern}: {}", answer.detail);
        assert_eq!(trap.caught(), before + 1, "{pattern}");
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let trap = Trap::new().await;
    for location in
        ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:PORT/", "//127.0.0.1:PORT/", "/again"]
    {
        let location = trap.url(location);
        for status in [301, 302, 303, 307, 308] {
            let reply = Reply::answer(status, &format!("location: {location}\r\n"), "");
            let receiver = Receiver::always(reply).await;
            let url = format!("http://receiver.test:{}/", receiver.address.port());
            let answer =
                Bench::new(guard(&["receiver.test"]), Names::new(&[&["127.0.0.1"]])).post(&url).await;
            assert_eq!((answer.class, answer.status), (Class::Redirect, Some(status)), "{}", answer.detail);
            assert_eq!(receiver.count(), 1);
        }
    }
    assert_eq!(trap.caught(), 0);
}

/// The address that was judged is the one that is connected to: a name is looked up once for each connection.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_each_time() {
    let trap = Trap::new().await;
    let names =
        Names::new(&[&["127.0.0.2"], &["127.0.0.1"], &["169.254.169.254"], &["127.0.0.2", "127.0.0.1"]]);
    let bench = Bench::new(guard(&["127.0.0.2/32"]), Arc::clone(&names));
    let url = trap.url("http://rebind.example:PORT/");
    for (asked, class, peer) in [
        (1, Class::Connect, Some("127.0.0.2")),
        (2, Class::Blocked, None),
        (3, Class::Blocked, None),
        (4, Class::Connect, Some("127.0.0.2")),
    ] {
        let answer = bench.post(&url).await;
        assert_eq!(answer.class, class, "{}", answer.detail);
        assert_eq!(answer.seen.peer.map(|peer| peer.ip().to_string()).as_deref(), peer);
        assert_eq!(names.asked.load(Ordering::SeqCst), asked);
    }
    assert_eq!(trap.caught(), 0);
}
