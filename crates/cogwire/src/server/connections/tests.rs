use std::time::Duration;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

struct Fixture {
    address: SocketAddr,
    soft: CancellationToken,
    hard: CancellationToken,
    serving: JoinHandle<()>,
    entered: Arc<Notify>,
    leave: Arc<Notify>,
}

/// A server whose `/hold` answers when it is told to.
async fn fixture(most: usize) -> Fixture {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, left) = (entered.clone(), leave.clone());
    let hold = move || async move {
        enter.notify_one();
        left.notified().await;
        "held"
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (soft, hard) = (CancellationToken::new(), CancellationToken::new());
    let connections = Connections {
        listener,
        tls: None,
        router: Router::new().route("/", get(|| async { "here" })).route("/hold", get(hold)),
        most,
        soft: soft.clone(),
        hard: hard.clone(),
    };
    let tasks = TaskTracker::new();
    Fixture { address, soft, hard, serving: tasks.spawn(connections.serve()), entered, leave }
}

impl Fixture {
    async fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("it accepts");
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        stream
    }
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    // A connection that was cut says no more, which is what the caller looks at.
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn a_soft_stop_answers_what_was_asked_and_accepts_nothing_new() {
    let fixture = fixture(10).await;
    let held = fixture.ask("/hold").await;
    let idle = TcpStream::connect(fixture.address).await.expect("it accepts");
    fixture.entered.notified().await;
    fixture.soft.cancel();
    assert_eq!(rest(idle).await, "", "an idle connection is closed");
    while TcpStream::connect(fixture.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    fixture.leave.notify_one();
    assert!(rest(held).await.ends_with("held"));
    fixture.serving.await.expect("it ends by itself");
}

#[tokio::test]
async fn a_hard_stop_waits_for_nobody() {
    let fixture = fixture(10).await;
    let held = fixture.ask("/hold").await;
    fixture.entered.notified().await;
    fixture.soft.cancel();
    fixture.hard.cancel();
    fixture.serving.await.expect("it ends at once");
    assert_eq!(rest(held).await, "");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let fixture = fixture(1).await;
    let first = fixture.ask("/hold").await;
    fixture.entered.notified().await;
    let mut second = fixture.ask("/").await;
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(50), second.read(&mut byte)).await;
    assert!(early.is_err(), "there is no place");
    drop(first);
    second.read_exact(&mut byte).await.expect("the place is free now");
}

#[tokio::test]
async fn both_protocols_are_spoken() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fixture = fixture(10).await;
    let url = format!("http://{}/", fixture.address);
    for prior_knowledge in [false, true] {
        let builder = reqwest::Client::builder();
        let builder = if prior_knowledge { builder.http2_prior_knowledge() } else { builder };
        let response = builder.build().expect("a client").get(&url).send().await.expect("an answer");
        assert_eq!(response.text().await.expect("a body"), "here");
    }
}
