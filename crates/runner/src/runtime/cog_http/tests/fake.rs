//! A small HTTP server that answers as the test says.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::{HeaderValue, Method, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// It ends with this.
pub(super) struct Fake {
    pub(super) url: String,
    _stop: DropGuard,
}

pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    /// Asks for a stream of events.
    pub(super) stream: bool,
    pub(super) body: Bytes,
    /// Its `traceparent`.
    pub(super) trace: Option<HeaderValue>,
}

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;
pub(super) type Answered = Response<Body>;

/// JSON, or what passes for it.
pub(super) fn answer(status: u16, body: &str) -> Answered {
    streamed(status, "application/json", vec![body.to_owned()], false)
}

/// Pieces of a body, after which it ends or stays open.
pub(super) fn streamed(status: u16, kind: &str, pieces: Vec<String>, stays_open: bool) -> Answered {
    let pieces = stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(Bytes::from(piece)))));
    let body = if stays_open { pieces.chain(stream::pending()).boxed() } else { pieces.boxed() };
    let answered = Response::builder().status(status).header("content-type", kind);
    answered.body(StreamBody::new(body)).expect("an answer")
}

impl Fake {
    pub(super) async fn serve<F>(respond: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (respond, stop, tasks) = (Arc::new(respond), CancellationToken::new(), TaskTracker::new());
        let stopped = stop.clone();
        tasks.clone().spawn(async move {
            while let Some(Ok((stream, _))) = stopped.run_until_cancelled(listener.accept()).await {
                let (respond, stopped) = (Arc::clone(&respond), stopped.clone());
                let service = service_fn(move |request| {
                    let respond = Arc::clone(&respond);
                    async move { Ok::<_, Infallible>(respond(asked(request).await).await) }
                });
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tasks.spawn(async move {
                    tokio::select! {
                        _ = connection => {}
                        () = stopped.cancelled_owned() => {}
                    }
                });
            }
        });
        Self { url, _stop: stop.drop_guard() }
    }
}

async fn asked(request: http::Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    let stream = head.headers.get("accept").is_some_and(|accept| accept == "text/event-stream");
    let trace = head.headers.get("traceparent").cloned();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Asked { method: head.method, path: head.uri.path().to_owned(), stream, body, trace }
}
