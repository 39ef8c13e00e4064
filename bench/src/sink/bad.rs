//! Receivers that are not well, each with an origin of its own.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes requests and never answers.
    Hangs,
    /// It answers at once, and sends one byte of its body a second.
    Drips,
    /// It answers 500.
    Fails,
}

/// A running receiver. It stops when it is dropped.
pub(crate) struct Bad {
    port: u16,
    _tasks: JoinSet<()>,
}

impl Manner {
    pub(crate) const ALL: [Self; 3] = [Self::Hangs, Self::Drips, Self::Fails];

    /// The rest of "beside one that ...".
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hangs => "hangs",
            Self::Drips => "drips its answer",
            Self::Fails => "answers 500",
        }
    }
}

impl Bad {
    pub(crate) async fn start(manner: Manner) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a receiver cannot listen")?;
        let port = listener.local_addr()?.port();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, manner));
        Ok(Self { port, _tasks: tasks })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/bad", self.port)
    }
}

async fn accept(listener: TcpListener, manner: Manner) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve(stream, manner));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Errors mean that the client has gone.
async fn serve(mut stream: TcpStream, manner: Manner) {
    let mut request = vec![0; 64 * 1024];
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
        match manner {
            Manner::Hangs => {}
            Manner::Drips => return drip(stream).await,
            // A client that is done with the connection after it sends no request in two pieces.
            Manner::Fails => {
                let answer =
                    b"HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                let _ = stream.write_all(answer).await;
                return;
            }
        }
    }
}

async fn drip(mut stream: TcpStream) {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    let mut sent = stream.write_all(head).await;
    while sent.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sent = stream.write_all(b"x").await;
    }
}
