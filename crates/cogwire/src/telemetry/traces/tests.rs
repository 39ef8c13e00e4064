//! The exporter on its own, against collectors that answer the same each time.

use cogwire_core::time::Timestamp;
use cogwire_core::trace::SpanKind;
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::lifecycle::SystemClock;

/// A collector, and how to reach it.
struct Canned {
    listener: TcpListener,
    config: Traces,
}

impl Canned {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let endpoint = endpoint.parse().expect("a URL");
        let config = Traces { endpoint, headers: HeaderMap::new(), service_name: "cogwire".to_owned() };
        Self { listener, config }
    }

    /// Answers every request on a connection of its own, and counts them, until the work is done.
    async fn answer<T>(&self, answer: &str, work: impl Future<Output = T>) -> (T, usize) {
        let mut answered = 0;
        let answering = async {
            loop {
                let (mut stream, _) = self.listener.accept().await.expect("a connection");
                let mut request = vec![0; 16 << 10];
                let mut read = 0;
                // The name of a span comes after all headers.
                while !request[..read].windows(4).any(|part| part == b"last") {
                    read += stream.read(&mut request[read..]).await.expect("a request");
                }
                answered += 1;
                stream.write_all(answer.as_bytes()).await.expect("it is read");
            }
        };
        let done = tokio::select! {
            done = work => done,
            () = answering => unreachable!("it answers for ever"),
        };
        (done, answered)
    }
}

fn span() -> Span {
    let at = Timestamp::from_micros(0);
    Span {
        name: "last".into(),
        kind: SpanKind::Internal,
        context: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().expect("a trace"),
        parent: None,
        started_at: at,
        ended_at: at,
        attributes: Vec::new(),
        error: None,
    }
}

#[test]
fn what_there_is_no_room_for_is_counted_and_holds_up_nobody() {
    let (room, mut queue) = mpsc::channel(2);
    let losses = Losses::default();
    let spans = Queue { room, losses: losses.clone() };
    (0..5).for_each(|_| spans.record(span()));
    assert_eq!(losses.count(), 3);
    assert_eq!([(); 3].map(|()| queue.try_recv().ok()), [Some(span()), Some(span()), None]);
    drop(queue);
    spans.record(span());
    assert_eq!(losses.count(), 4, "nobody takes it");
}

#[tokio::test]
async fn whoever_stops_offers_a_batch_once_and_goes() {
    let canned = Canned::start().await;
    let (spans, exporter) = spans(&canned.config, "n1", Arc::new(SystemClock)).expect("it needs no TLS");
    spans.record(span());
    let over = CancellationToken::new();
    over.cancel();
    let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let ((), answered) = canned.answer(busy, exporter.run(over, CancellationToken::new())).await;
    assert_eq!(answered, 1);
}

#[tokio::test]
async fn spans_that_were_taken_are_not_sent_again_whatever_becomes_of_the_answer() {
    let canned = Canned::start().await;
    let (spans, exporter) = spans(&canned.config, "n1", Arc::new(SystemClock)).expect("it needs no TLS");
    spans.record(span());
    drop(spans);
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\nno";
    let work = exporter.run(CancellationToken::new(), CancellationToken::new());
    let ((), answered) = canned.answer(cut, work).await;
    assert_eq!(answered, 1);
}
