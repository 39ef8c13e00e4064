//! A receiver that does to the connection exactly what a test says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Which connection it came on, counted from 1.
    pub(crate) connection: usize,
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These bytes, whatever they are; the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, and then the connection is closed.
    BytesAndClose(Vec<u8>),
    /// These bytes, and then nothing for ever.
    BytesAndHang(Vec<u8>),
    /// These bytes, and then one more byte every few milliseconds.
    Drip(Vec<u8>),
    /// The connection is reset.
    Reset,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::answer(status, "", "")
    }

    pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Bytes(
            format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes(),
        )
    }

    pub(crate) fn hang() -> Self {
        Self::BytesAndHang(Vec::new())
    }
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

type Script = dyn Fn(&Request, usize) -> Reply + Send + Sync;

/// Listens until it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    requests: watch::Receiver<Vec<Request>>,
    _stop: DropGuard,
}

struct Server {
    script: Box<Script>,
    tls: Option<TlsAcceptor>,
    requests: watch::Sender<Vec<Request>>,
}

impl Receiver {
    /// `script` says what happens to each request; it is also told its number, from 1.
    pub(crate) async fn start(script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(Box::new(script), None).await
    }

    /// A receiver that answers everything in the same way.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    pub(crate) async fn start_tls(reply: Reply, tls: TlsAcceptor) -> Self {
        Self::listen(Box::new(move |_, _| reply.clone()), Some(tls)).await
    }

    async fn listen(script: Box<Script>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, requests) = watch::channel(Vec::new());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let server = Arc::new(Server { script, tls, requests: sender });
        tasks.spawn(accept(listener, server, tasks.clone(), stop.clone()));
        Self { address, requests, _stop: stop.drop_guard() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits until there are at least `count` requests.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Request> {
        let mut requests = self.requests.clone();
        let enough = requests.wait_for(|requests| requests.len() >= count);
        let arrived = tokio::time::timeout(Duration::from_secs(20), enough).await;
        let requests =
            arrived.unwrap_or_else(|_| panic!("{count} requests should have arrived, not {}", self.count()));
        requests.expect("the receiver listens").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.borrow().len()
    }
}

async fn accept(listener: TcpListener, server: Arc<Server>, tasks: TaskTracker, stop: CancellationToken) {
    let mut connection = 0;
    while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
        connection += 1;
        let (server, stop) = (Arc::clone(&server), stop.clone());
        tasks.spawn(async move {
            stop.run_until_cancelled(server.connection(stream, connection)).await;
        });
    }
}

impl Server {
    async fn connection(&self, stream: TcpStream, connection: usize) {
        match &self.tls {
            None => {
                let mut stream = BufReader::new(stream);
                if self.requests(&mut stream, connection).await == Some(Reply::Reset) {
                    stream.into_inner().set_zero_linger().expect("an open socket");
                }
            }
            Some(tls) => {
                let Ok(stream) = tls.accept(stream).await else { return };
                self.requests(&mut BufReader::new(stream), connection).await;
            }
        }
    }

    /// Answers requests for as long as the connection lasts; returns what ended it.
    async fn requests<S>(&self, stream: &mut BufReader<S>, connection: usize) -> Option<Reply>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let request = read_request(stream, connection).await?;
            let number = self.requests.borrow().len() + 1;
            let reply = (self.script)(&request, number);
            self.requests.send_modify(|requests| requests.push(request));
            match &reply {
                Reply::Bytes(bytes) => stream.write_all(bytes).await.ok()?,
                Reply::BytesAndClose(bytes) => {
                    stream.write_all(bytes).await.ok()?;
                    stream.shutdown().await.ok()?;
                    return Some(reply);
                }
                Reply::BytesAndHang(bytes) => {
                    stream.write_all(bytes).await.ok()?;
                    std::future::pending::<()>().await;
                }
                Reply::Drip(bytes) => drip(stream, bytes).await?,
                Reply::Reset => return Some(reply),
            }
        }
    }
}

impl PartialEq for Reply {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

async fn drip<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Option<()> {
    stream.write_all(bytes).await.ok()?;
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    loop {
        ticks.tick().await;
        stream.write_all(b"x").await.ok()?;
    }
}

async fn read_request<S>(stream: &mut BufReader<S>, connection: usize) -> Option<Request>
where
    S: AsyncRead + Unpin,
{
    let line = read_line(stream).await?;
    let mut headers = HashMap::new();
    loop {
        let header = read_line(stream).await?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { connection, line, headers, body })
}

/// `None` at the end of the connection.
async fn read_line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
