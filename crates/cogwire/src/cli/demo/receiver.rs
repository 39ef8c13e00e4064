//! The demo's receiver: does what any receiver should do, and passes on what arrived.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use cogwire_core::time::{Clock, Timestamp};
use cogwire_core::webhook::signature::{Problem, Received, Secret, verify};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cli::failure::{Failure, Outcome};
use crate::lifecycle::{Lifecycle, SystemClock};

/// The most webhooks that wait to be printed.
const QUEUE: usize = 256;
/// How old a signature may be, in seconds.
const TOLERANCE: i64 = 300;

/// A receiver that listens.
pub(super) struct Receiver {
    /// Where webhooks go.
    pub(super) url: String,
    /// What arrived.
    pub(super) arrivals: tokio::sync::Mutex<mpsc::Receiver<Arrival>>,
}

/// One webhook.
#[derive(Debug)]
pub(super) struct Arrival {
    /// When it was there.
    pub(super) at: Timestamp,
    /// `cogwire-event`.
    pub(super) event: String,
    /// `cogwire-sequence`.
    pub(super) sequence: u32,
    /// Why the signature does not fit, if it does not.
    pub(super) problem: Option<Problem>,
    /// The body.
    pub(super) prediction: Value,
}

struct Inbox {
    secret: Secret,
    arrivals: mpsc::Sender<Arrival>,
}

impl Receiver {
    /// Listens on a free port of this machine.
    pub(super) async fn start(secret: Secret, lifecycle: &Lifecycle) -> Outcome<Self> {
        let unable = |error: std::io::Error| Failure::of("the receiver cannot listen", &error);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(unable)?;
        let url = format!("http://{}/webhook", listener.local_addr().map_err(unable)?);
        let (sender, arrivals) = mpsc::channel(QUEUE);
        let inbox = Arc::new(Inbox { secret, arrivals: sender });
        let router = Router::new().route("/webhook", post(receive)).with_state(inbox);
        lifecycle.spawn("receiver", serve(listener, router, lifecycle.soft().clone()));
        Ok(Self { url, arrivals: tokio::sync::Mutex::new(arrivals) })
    }
}

async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the receiver broke");
    }
}

async fn receive(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let arrival = arrival(&inbox.secret, &headers, &body);
    if inbox.arrivals.send(arrival).await.is_ok() { StatusCode::OK } else { StatusCode::GONE }
}

fn arrival(secret: &Secret, headers: &HeaderMap, body: &[u8]) -> Arrival {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let received = Received {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
    };
    let now = SystemClock.now();
    Arrival {
        at: now,
        event: header("cogwire-event").unwrap_or_default().to_owned(),
        sequence: header("cogwire-sequence").and_then(|number| number.parse().ok()).unwrap_or_default(),
        problem: verify(std::slice::from_ref(secret), &received, now.as_seconds(), TOLERANCE).err(),
        prediction: serde_json::from_slice(body).unwrap_or_default(),
    }
}
