//! A collector of traces that reads what it is sent, and answers as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use cogwire::config::Traces;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::receiver::Behaviour;

/// A span as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    span: Span,
    resource: Vec<KeyValue>,
}

#[derive(Debug, Clone, Default)]
struct Arrived {
    spans: Vec<Seen>,
    /// Of each request, also of those that were refused.
    headers: Vec<HeaderMap>,
}

struct Shared {
    arrived: watch::Sender<Arrived>,
    behaviour: Mutex<Behaviour>,
}

/// Listens until it is dropped.
pub(crate) struct Collector {
    /// Without a path.
    pub(crate) url: String,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

impl Seen {
    pub(crate) fn name(&self) -> &str {
        &self.span.name
    }

    pub(crate) fn kind(&self) -> SpanKind {
        self.span.kind()
    }

    pub(crate) fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub(crate) fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// Empty when it begins the trace.
    pub(crate) fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// What went wrong; empty when nothing did.
    pub(crate) fn error(&self) -> &str {
        self.span.status.as_ref().map_or("", |status| &status.message)
    }

    pub(crate) fn lasted(&self) -> Duration {
        Duration::from_nanos(self.span.end_time_unix_nano.saturating_sub(self.span.start_time_unix_nano))
    }

    /// An attribute as text; empty when it is not there.
    pub(crate) fn attribute(&self, name: &str) -> String {
        find(&self.span.attributes, name)
    }

    /// An attribute of the process that it comes from.
    pub(crate) fn of_process(&self, name: &str) -> String {
        find(&self.resource, name)
    }
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let shared = Arc::new(Shared {
            arrived: watch::Sender::new(Arrived::default()),
            behaviour: Mutex::new(Behaviour::Answer(200)),
        });
        let router = Router::new().route("/v1/traces", post(collect)).with_state(shared.clone());
        #[expect(clippy::disallowed_methods, reason = "the collector's task ends when its handle is dropped")]
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { url, shared, _server: AbortOnDropHandle::new(server) }
    }

    /// What a server is configured with whose traces come here.
    pub(crate) fn traces(&self) -> Traces {
        let endpoint = format!("{}/v1/traces", self.url).parse().expect("a URL");
        Traces { endpoint, headers: HeaderMap::new(), service_name: "cogwire".to_owned() }
    }

    /// What to do with every request from now on.
    pub(crate) fn always(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().expect("not poisoned") = behaviour;
    }

    pub(crate) fn spans(&self) -> Vec<Seen> {
        self.shared.arrived.borrow().spans.clone()
    }

    /// The headers of the requests so far.
    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.shared.arrived.borrow().headers.clone()
    }

    /// Waits until the spans satisfy a condition; panics with what has arrived after 20 s.
    pub(crate) async fn wait_until(&self, what: &str, condition: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        self.wait(what, |arrived| condition(&arrived.spans)).await.spans
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait_for_requests(&self, count: usize) {
        self.wait(&format!("{count} requests"), |arrived| arrived.headers.len() >= count).await;
    }

    async fn wait(&self, what: &str, condition: impl Fn(&Arrived) -> bool) -> Arrived {
        let mut arrived = self.shared.arrived.subscribe();
        let found =
            tokio::time::timeout(Duration::from_secs(20), arrived.wait_for(|all| condition(all))).await;
        match found {
            Ok(all) => all.expect("the collector lives").clone(),
            Err(_) => panic!("waited for {what}; arrived: {:?}", self.summary()),
        }
    }

    fn summary(&self) -> Vec<String> {
        self.spans().iter().map(|seen| format!("{} {} < {}", seen.name(), seen.id(), seen.parent())).collect()
    }
}

async fn collect(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let behaviour = *shared.behaviour.lock().expect("not poisoned");
    shared.arrived.send_modify(|arrived| arrived.headers.push(headers));
    match behaviour {
        Behaviour::Answer(200) => {
            let request = ExportTraceServiceRequest::decode(body).expect("a request is one of OTLP");
            shared.arrived.send_modify(|arrived| arrived.spans.extend(seen(request)));
            ExportTraceServiceResponse::default().encode_to_vec().into_response()
        }
        Behaviour::Answer(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Behaviour::Hang => std::future::pending().await,
    }
}

fn seen(request: ExportTraceServiceRequest) -> Vec<Seen> {
    let mut all = Vec::new();
    for of_process in request.resource_spans {
        let resource = of_process.resource.map(|resource| resource.attributes).unwrap_or_default();
        let spans = of_process.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
        all.extend(spans.map(|span| Seen { span, resource: resource.clone() }));
    }
    all
}

fn find(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => panic!("{name} is neither text nor number: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
