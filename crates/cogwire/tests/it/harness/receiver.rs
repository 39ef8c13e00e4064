//! A receiver of webhooks that remembers every request, and when, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{self, Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use cogwire::lifecycle::SystemClock;
use cogwire_core::time::Clock;
use cogwire_core::webhook::signature::{Received, Secret, verify};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// One webhook as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// When its head was read, on a clock that does not step.
    pub(crate) began: Duration,
    /// When it was answered, or its connection was gone; `None` until then.
    pub(crate) ended: Option<Duration>,
}

impl Webhook {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("the webhook has no {name}")).to_str().expect("text")
    }

    pub(crate) fn event(&self) -> &str {
        self.header("cogwire-event")
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a webhook's body is JSON")
    }

    /// Panics unless the signature is right.
    pub(crate) fn assert_signed(&self, secret: &Secret) {
        let text = |name| Some(self.header(name));
        let received = Received {
            id: text("webhook-id"),
            timestamp: text("webhook-timestamp"),
            signature: text("webhook-signature"),
            body: &self.body,
        };
        let at: i64 = self.header("webhook-timestamp").parse().expect("seconds");
        verify(std::slice::from_ref(secret), &received, at, 1).expect("the signature is right");
    }
}

/// What the receiver does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Answer(u16),
    /// Never answers.
    Hang,
}

/// What every request goes through, whatever its script says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// How long it takes to answer.
    pub(crate) delay: Duration,
    /// One in this many is answered 500; none when it is 0.
    pub(crate) refuse_every: usize,
}

struct Shared {
    arrived: watch::Sender<Vec<Webhook>>,
    script: Mutex<VecDeque<Behaviour>>,
    otherwise: Mutex<Behaviour>,
    manner: Mutex<Manner>,
}

/// Listens until it is dropped.
pub(crate) struct Receiver {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        let shared = Arc::new(Shared {
            arrived: watch::Sender::new(Vec::new()),
            script: Mutex::default(),
            otherwise: Mutex::new(Behaviour::Answer(200)),
            manner: Mutex::default(),
        });
        let router = Router::new().fallback(receive).with_state(shared.clone());
        #[expect(clippy::disallowed_methods, reason = "the receiver's task ends when its handle is dropped")]
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { url, shared, _server: AbortOnDropHandle::new(server) }
    }

    /// What to do with the next requests, one each.
    pub(crate) fn then(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.shared.script.lock().expect("not poisoned").extend(behaviours);
    }

    /// What to do with every request that has no script.
    pub(crate) fn always(&self, behaviour: Behaviour) {
        *self.shared.otherwise.lock().expect("not poisoned") = behaviour;
    }

    /// How to treat all requests from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().expect("not poisoned") = manner;
    }

    pub(crate) fn webhooks(&self) -> Vec<Webhook> {
        self.shared.arrived.borrow().clone()
    }

    /// Waits until the webhooks satisfy a condition; panics with what has arrived after 20 s.
    pub(crate) async fn wait_until(
        &self,
        what: &str,
        condition: impl Fn(&[Webhook]) -> bool,
    ) -> Vec<Webhook> {
        let mut arrived = self.shared.arrived.subscribe();
        let found =
            tokio::time::timeout(Duration::from_secs(20), arrived.wait_for(|all| condition(all))).await;
        match found {
            Ok(all) => all.expect("the receiver lives").clone(),
            Err(_) => panic!("waited for {what}; arrived: {:?}", self.summary()),
        }
    }

    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Webhook> {
        self.wait_until(&format!("{count} webhooks"), |all| all.len() >= count).await
    }

    /// Waits for the first `completed` and gives it.
    pub(crate) async fn wait_completed(&self) -> Webhook {
        let all =
            self.wait_until("completed", |all| all.iter().any(|hook| hook.event() == "completed")).await;
        all.into_iter().find(|hook| hook.event() == "completed").expect("it was just there")
    }

    fn summary(&self) -> Vec<String> {
        self.webhooks().iter().map(|hook| format!("{} {}", hook.id(), hook.event())).collect()
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Response {
    let began = SystemClock.monotonic();
    // A sender that dies in the middle of a body has sent nothing that could be read.
    let Ok(body) = body::to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let next = shared.script.lock().expect("not poisoned").pop_front();
    let behaviour = next.unwrap_or(*shared.otherwise.lock().expect("not poisoned"));
    let manner = *shared.manner.lock().expect("not poisoned");
    let open = Open::new(&shared, Webhook { headers, body, began, ended: None });
    tokio::time::sleep(manner.delay).await;
    match behaviour {
        Behaviour::Answer(_) if (open.index + 1).is_multiple_of(manner.refuse_every) => {
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Behaviour::Answer(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Behaviour::Hang => std::future::pending().await,
    }
}

/// A request that is being answered. Its end is written down however it comes: axum drops the handler when the sender closes
/// the connection.
struct Open<'a> {
    shared: &'a Shared,
    index: usize,
}

impl<'a> Open<'a> {
    fn new(shared: &'a Shared, webhook: Webhook) -> Self {
        let mut index = 0;
        shared.arrived.send_modify(|all| {
            index = all.len();
            all.push(webhook);
        });
        Self { shared, index }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.shared.arrived.send_modify(|all| all[self.index].ended = Some(SystemClock.monotonic()));
    }
}
