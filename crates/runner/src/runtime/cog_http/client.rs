//! Requests to the server of one model.
//!
//! Promises that every answer is bounded by [`MAX_ANSWER`], that every request but the ones that are meant to last
//! has one deadline, and that connections are tasks that [`Client::close`] ends. Follows no redirects and uses no
//! proxies. Knows HTTP, and nothing of predictions.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cogwire_core::time::Clock;
use cogwire_core::trace::SpanContext;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Address;
use super::connection::{self, Connection};

/// The most bytes of an answer: Cog takes no longer requests either.
pub(super) const MAX_ANSWER: usize = 100 * 1024 * 1024;

/// How long a connection may take to be set up.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a connection is kept without a request. Old servers close theirs after 5 s, and a request that crosses
/// with the closing is lost: this must be shorter.
const KEEP: Duration = Duration::from_secs(2);

/// The most connections that are kept without a request.
const MOST_KEPT: usize = 8;

/// What the server should do.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The path below the server's URL, with its slash.
    pub(super) path: String,
    /// JSON.
    pub(super) body: Option<Bytes>,
    /// Asks for a stream of events.
    pub(super) stream: bool,
    /// The span that causes it.
    pub(super) trace: Option<SpanContext>,
}

/// What it answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("nothing answers there")]
    Connect(#[source] io::Error),
    #[error("it broke off the connection")]
    Broken(#[source] hyper::Error),
    #[error("its answer is longer than {} MiB", MAX_ANSWER >> 20)]
    TooLong,
    #[error("it did not answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
}

type Sender = http1::SendRequest<Full<Bytes>>;

/// Speaks to one server.
pub(super) struct Client {
    address: Address,
    tls: Option<TlsConnector>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Connections without a request, with the time since when.
    kept: Mutex<Vec<(Sender, Duration)>>,
}

impl Call {
    pub(super) fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), body: None, stream: false, trace: None }
    }

    pub(super) fn post(path: String) -> Self {
        Self { method: Method::POST, path, body: Some(Bytes::from_static(b"{}")), stream: false, trace: None }
    }

    pub(super) fn put(path: String, body: impl Into<Bytes>) -> Self {
        Self { method: Method::PUT, path, body: Some(body.into()), stream: false, trace: None }
    }

    pub(super) fn streamed(self) -> Self {
        Self { stream: true, ..self }
    }

    pub(super) fn traced(self, trace: Option<SpanContext>) -> Self {
        Self { trace, ..self }
    }
}

impl Client {
    /// A client for the server at this address.
    pub(super) fn new(address: Address, clock: Arc<dyn Clock>) -> Result<Self, rustls::Error> {
        let tls = address.secure.then(connection::tls).transpose()?;
        Ok(Self {
            address,
            tls,
            clock,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            kept: Mutex::default(),
        })
    }

    /// Calls the server, and waits for no longer than `within`.
    pub(super) async fn call(&self, call: Call, within: Duration) -> Result<Answer, CallError> {
        tokio::select! {
            answer = self.last(call) => answer,
            () = self.clock.sleep(within) => Err(CallError::TimedOut(within)),
        }
    }

    /// Calls the server, however long it takes to answer.
    pub(super) async fn last(&self, call: Call) -> Result<Answer, CallError> {
        let (response, sender) = self.open(call).await?;
        let (head, body) = response.into_parts();
        let body = read(body).await?;
        if !closes(&head.headers) {
            self.keep(sender);
        }
        Ok(Answer { status: head.status, body })
    }

    /// Calls the server, and returns once the head of its answer is there. The connection ends with the sender.
    pub(super) async fn open(&self, call: Call) -> Result<(Response<Incoming>, Sender), CallError> {
        let mut request = self.request(call);
        loop {
            let (mut sender, kept) = self.connection().await?;
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, sender)),
                // A kept connection may turn out to be closed; only what was not written at all is sent again.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if kept => request = unsent,
                    _ => return Err(CallError::Broken(failed.into_error())),
                },
            }
        }
    }

    /// Ends every connection, and returns when none is left.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.lock_kept().clear();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn request(&self, call: Call) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(call.body.unwrap_or_default()));
        *request.method_mut() = call.method;
        *request.uri_mut() = self.address.path(&call.path);
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.address.host_header.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = if call.stream { "text/event-stream" } else { "application/json" };
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        if let Some(trace) = call.trace {
            let trace = HeaderValue::from_str(&trace.to_string()).expect("it is printable ASCII");
            headers.insert(HeaderName::from_static("traceparent"), trace);
        }
        request
    }

    async fn connection(&self) -> Result<(Sender, bool), CallError> {
        match self.take_kept() {
            Some(sender) => Ok((sender, true)),
            None => Ok((self.connect().await?, false)),
        }
    }

    async fn connect(&self) -> Result<Sender, CallError> {
        let opening = Connection::open(&self.address.host, self.address.port, self.tls.as_ref());
        let stream = tokio::select! {
            stream = opening => stream.map_err(CallError::Connect)?,
            () = self.clock.sleep(CONNECT) => return Err(CallError::TimedOut(CONNECT)),
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(CallError::Broken)?;
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            // Its errors are told to whoever waits for an answer.
            let _ = stop.run_until_cancelled(connection).await;
        });
        sender.ready().await.map_err(CallError::Broken)?;
        Ok(sender)
    }

    fn take_kept(&self) -> Option<Sender> {
        let now = self.clock.monotonic();
        let mut kept = self.lock_kept();
        kept.retain(|(sender, since)| !sender.is_closed() && now.saturating_sub(*since) < KEEP);
        let ready = kept.iter().rposition(|(sender, _)| sender.is_ready())?;
        Some(kept.swap_remove(ready).0)
    }

    fn keep(&self, sender: Sender) {
        let now = self.clock.monotonic();
        let mut kept = self.lock_kept();
        if kept.len() < MOST_KEPT {
            kept.push((sender, now));
        }
    }

    fn lock_kept(&self) -> std::sync::MutexGuard<'_, Vec<(Sender, Duration)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(mut body: Incoming) -> Result<Bytes, CallError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(CallError::Broken)?.into_data() else { continue };
        if bytes.len() + data.len() > MAX_ANSWER {
            return Err(CallError::TooLong);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

fn closes(headers: &http::HeaderMap) -> bool {
    headers.get(header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}
