//! A proxy that answers every request for a tunnel in one way, and opens the tunnel when that is 2xx.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Listens until it is dropped.
pub(crate) struct TestProxy {
    address: SocketAddr,
    /// The heads of the requests, line by line.
    heads: Arc<Mutex<Vec<Vec<String>>>>,
    _stop: DropGuard,
}

impl TestProxy {
    pub(crate) async fn start(reply: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, tasks, heads) = (CancellationToken::new(), TaskTracker::new(), Arc::default());
        let (kept, reply, guard) = (Arc::clone(&heads), reply.to_owned(), stop.clone());
        tasks.clone().spawn(async move {
            while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
                let (heads, reply, stop) = (Arc::clone(&kept), reply.clone(), stop.clone());
                tasks.spawn(async move { stop.run_until_cancelled(serve(stream, &heads, &reply)).await });
            }
        });
        Self { address, heads, _stop: guard.drop_guard() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first line of each request.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.heads.lock().expect("whole").iter().map(|head| head[0].clone()).collect()
    }

    /// What all requests say beside the first line and `Host`.
    pub(crate) fn headers(&self) -> Vec<String> {
        self.heads.lock().expect("whole").iter().flat_map(|head| head[2..].to_vec()).collect()
    }
}

async fn serve(stream: TcpStream, heads: &Mutex<Vec<Vec<String>>>, reply: &str) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let target = head.first()?.split(' ').nth(1)?.to_owned();
    heads.lock().expect("whole").push(head);
    stream.write_all(reply.as_bytes()).await.ok()?;
    if reply.starts_with("HTTP/1.1 2") && reply.ends_with("\r\n\r\n") {
        let mut receiver = TcpStream::connect(target).await.ok()?;
        tokio::io::copy_bidirectional(&mut stream, &mut receiver).await.ok()?;
    }
    stream.shutdown().await.ok()
}
