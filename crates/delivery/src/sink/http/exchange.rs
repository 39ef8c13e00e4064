//! One request and its answer, on a kept or a new connection.

use bytes::Bytes;
use cogwire_store::failpoint;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::connector::Stream;
use super::failure::Failure;
use super::pool::Sender;
use super::target::Target;
use super::trace::{Phase, Trace};
use super::{Deadline, HttpSink, OutgoingRequest};

/// The most bytes of an answer's head; a longer one is a protocol failure.
const MAX_HEAD: usize = 64 * 1024;

/// Everything that one attempt needs.
pub(super) struct Exchange<'a> {
    pub(super) sink: &'a HttpSink,
    pub(super) target: &'a Target,
    pub(super) deadline: Deadline,
    pub(super) trace: &'a Trace,
}

impl Exchange<'_> {
    /// Sends the request and reads the answer; its status. The rest of it is in the trace.
    pub(super) async fn run(&self, request: OutgoingRequest<'_>) -> Result<u16, Failure> {
        let (response, sender) = self.send(self.request(request)).await?;
        self.receive(response, sender).await
    }

    fn request(&self, outgoing: OutgoingRequest<'_>) -> Request<Full<Bytes>> {
        let length = outgoing.body.len();
        let mut request = Request::new(Full::new(outgoing.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.path.clone();
        *request.headers_mut() = outgoing.headers;
        request.headers_mut().insert(header::HOST, self.target.host_header.clone());
        request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        self.sink.headers.add_to(request.headers_mut());
        request
    }

    /// A kept connection may turn out to be closed. The request goes to the next one only when hyper hands it back, which
    /// means that not one byte of it was written; anything else ends the attempt, because the receiver may have seen it.
    async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<(Response<Incoming>, Sender), Failure> {
        loop {
            let (mut sender, kept) = self.connection().await?;
            self.trace.enter(Phase::Answer, self.sink.clock.now());
            self.in_time(Phase::Answer)?;
            self.trace.request(request.headers().clone());
            failpoint::reached("attempt.connected");
            match sender.requests.try_send_request(request).await {
                Ok(response) => return Ok((response, sender)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if kept => request = unsent,
                    _ => return Err(failed.into_error().into()),
                },
            }
        }
    }

    /// After a pause of the whole process the timer may not have fired yet, and the lane may be another node's: nothing is
    /// begun any more then.
    fn in_time(&self, phase: Phase) -> Result<(), Failure> {
        if self.sink.clock.monotonic() < self.deadline.at { Ok(()) } else { Err(Failure::Timeout(phase)) }
    }

    async fn connection(&self) -> Result<(Sender, bool), Failure> {
        match self.sink.pool.take(&self.target.origin, self.sink.clock.now()) {
            Some(sender) => {
                self.trace.peer(sender.peer);
                Ok((sender, true))
            }
            None => Ok((self.connect().await?, false)),
        }
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        self.in_time(Phase::Connect)?;
        let (stream, peer) = self.sink.connector.connect(&self.target.origin, self.trace).await?;
        let (mut requests, connection) =
            http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await?;
        self.own(connection);
        requests.ready().await?;
        Ok(Sender { requests, peer })
    }

    /// Runs the connection until it is closed or the sink is. Its errors are told to whoever waits for an answer.
    fn own(&self, connection: http1::Connection<TokioIo<Stream>, Full<Bytes>>) {
        let stop = self.sink.stop.clone();
        self.sink.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(connection).await;
        });
    }

    async fn receive(&self, response: Response<Incoming>, sender: Sender) -> Result<u16, Failure> {
        let (head, body) = response.into_parts();
        let (status, closes) = (head.status, closes(&head.headers));
        self.trace.enter(Phase::Body(status.as_u16()), self.sink.clock.now());
        self.trace.response(head.headers);
        if self.read(body, status).await? && !closes {
            self.keep(sender);
        }
        Ok(status.as_u16())
    }

    /// Reads the body up to the bound; whether that was all of it. A body that is cut off counts as received: nothing after
    /// the bound matters.
    async fn read(&self, mut body: Incoming, status: StatusCode) -> Result<bool, Failure> {
        let config = &self.sink.config;
        let kept = if status.is_success() { config.max_kept } else { config.max_answer };
        let mut total = 0;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            total += data.len();
            self.trace.body(&data, kept);
            if total > config.max_answer {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The connection is free once its own task has seen the end of the answer, which is nearly always now. An answer that
    /// came before the request was written leaves it busy, for no longer than the attempt.
    fn keep(&self, mut sender: Sender) {
        let sink = self.sink;
        if sender.requests.is_ready() {
            return sink.pool.put(&self.target.origin, sender, sink.clock.now());
        }
        let (pool, origin, clock) = (sink.pool.clone(), self.target.origin.clone(), sink.clock.clone());
        let (stop, left) = (sink.stop.clone(), self.deadline.at.saturating_sub(clock.monotonic()));
        sink.tasks.spawn(async move {
            tokio::select! {
                ready = sender.requests.ready() => if ready.is_ok() { pool.put(&origin, sender, clock.now()) },
                () = clock.sleep(left) => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

fn closes(headers: &HeaderMap) -> bool {
    headers.get(header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}
