//! Receivers that do not do what receivers do, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::harness::pause;

/// What one of them does with every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Reads it and says nothing.
    HangsBeforeTheHead,
    /// Promises a body and sends none.
    HangsAfterTheHead,
    /// Sends its head one byte a second.
    DripsTheHead,
    /// Sends its body one byte a second.
    DripsTheBody,
    /// Resets the connection as soon as there is one.
    ResetsAtOnce,
    /// Resets the connection in the middle of its answer.
    ResetsInTheAnswer,
    /// Closes the connection instead of answering.
    ClosesEarly,
    /// Answers something that is not HTTP.
    SpeaksGarbage,
    /// Sends header after header, as fast as it can.
    SendsHeadersForever,
    /// Takes the request, and sends body after body, as fast as it can.
    TakesItAndSendsForever,
    /// Refuses the request, and sends body after body, as fast as it can.
    RefusesAndSendsForever,
    /// Says that it will answer, again and again, as fast as it can.
    PromisesForever,
    /// Says that somebody else will.
    Redirects,
    /// Answers 500.
    Refuses,
    /// Takes the request after a while.
    TakesItSlowly,
}

impl Manner {
    pub(super) const ALL: [Self; 15] = [
        Self::HangsBeforeTheHead,
        Self::HangsAfterTheHead,
        Self::DripsTheHead,
        Self::DripsTheBody,
        Self::ResetsAtOnce,
        Self::ResetsInTheAnswer,
        Self::ClosesEarly,
        Self::SpeaksGarbage,
        Self::SendsHeadersForever,
        Self::TakesItAndSendsForever,
        Self::RefusesAndSendsForever,
        Self::PromisesForever,
        Self::Redirects,
        Self::Refuses,
        Self::TakesItSlowly,
    ];
}

/// A receiver that listens until it is dropped.
pub(super) struct Rogue {
    pub(super) url: String,
    requests: Arc<AtomicUsize>,
    _server: AbortOnDropHandle<()>,
}

impl Rogue {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        let requests = Arc::new(AtomicUsize::new(0));
        let accept = accept(listener, manner, Arc::clone(&requests));
        #[expect(clippy::disallowed_methods, reason = "the task ends when its handle is dropped")]
        let server = AbortOnDropHandle::new(tokio::spawn(accept));
        Self { url, requests, _server: server }
    }

    /// Waits for this many requests, or connections if it does not read any.
    pub(super) async fn wait_for(&self, count: usize) {
        while self.requests.load(Ordering::SeqCst) < count {
            pause().await;
        }
    }
}

async fn accept(listener: TcpListener, manner: Manner, requests: Arc<AtomicUsize>) {
    // Dropped together with this task: connections end with their receiver.
    let connections = TaskTracker::new();
    let mut handles = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        let connection = connection(stream, manner, Arc::clone(&requests));
        handles.push(AbortOnDropHandle::new(connections.spawn(async move {
            // The sender hangs up on most of them, and may.
            let _ = connection.await;
        })));
    }
}

async fn connection(stream: TcpStream, manner: Manner, requests: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    if manner == Manner::ResetsAtOnce {
        requests.fetch_add(1, Ordering::SeqCst);
        return stream.get_ref().set_zero_linger();
    }
    loop {
        read_request(&mut stream).await?;
        requests.fetch_add(1, Ordering::SeqCst);
        misbehave(stream.get_mut(), manner).await?;
    }
}

async fn misbehave(stream: &mut TcpStream, manner: Manner) -> std::io::Result<()> {
    const PROMISE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
    const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    match manner {
        Manner::HangsBeforeTheHead => std::future::pending().await,
        Manner::HangsAfterTheHead => {
            stream.write_all(PROMISE).await?;
            std::future::pending().await
        }
        Manner::DripsTheHead => drip(stream, PROMISE).await,
        Manner::DripsTheBody => {
            stream.write_all(PROMISE).await?;
            drip(stream, &[b'x'; 100]).await
        }
        Manner::ResetsAtOnce | Manner::ResetsInTheAnswer => {
            stream.write_all(&PROMISE[..20]).await?;
            stream.set_zero_linger()?;
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
        Manner::ClosesEarly => Err(std::io::ErrorKind::UnexpectedEof.into()),
        Manner::SpeaksGarbage => {
            stream.write_all(b"\x16\x03\x01 no such protocol\r\n\r\n").await?;
            Err(std::io::ErrorKind::InvalidData.into())
        }
        Manner::SendsHeadersForever => flood(stream, b"HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n").await,
        Manner::TakesItAndSendsForever => flood(stream, b"HTTP/1.1 200 OK\r\n\r\n", b"more and ").await,
        Manner::RefusesAndSendsForever => flood(stream, b"HTTP/1.1 500 No\r\n\r\n", b"more and ").await,
        Manner::PromisesForever => flood(stream, b"", b"HTTP/1.1 102 Processing\r\n\r\n").await,
        Manner::Redirects => {
            let head =
                b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(head).await
        }
        Manner::Refuses => stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n").await,
        Manner::TakesItSlowly => {
            tokio::time::sleep(Duration::from_millis(400)).await;
            stream.write_all(TAKEN).await
        }
    }
}

async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn flood(stream: &mut TcpStream, first: &[u8], again: &[u8]) -> std::io::Result<()> {
    stream.write_all(first).await?;
    let many = again.repeat(100);
    loop {
        stream.write_all(&many).await?;
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| std::io::ErrorKind::InvalidData)?;
        }
        if line.is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).await.map(drop)
}
