//! Spans as OTLP writes them.

use cogwire_core::time::Timestamp;
use cogwire_core::trace::{Attribute, Span, SpanKind};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{self as wire, ResourceSpans, ScopeSpans, Status, span};
use prost::Message;

/// What all spans of this process have in common.
pub(super) struct Resource(v1::Resource);

impl Resource {
    /// A process that is known by this name, and is this node.
    pub(super) fn new(service: &str, node: &str) -> Self {
        let attributes = [
            ("service.name", service),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", node),
        ];
        let attributes = attributes.map(|(name, value)| attribute(name, value.into())).into();
        Self(v1::Resource { attributes, ..v1::Resource::default() })
    }
}

/// The body of a request with these spans.
pub(super) fn request(resource: &Resource, spans: Vec<Span>) -> Vec<u8> {
    let scope = InstrumentationScope {
        name: "cogwire".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = spans.into_iter().map(span).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource = Some(resource.0.clone());
    let all = ResourceSpans { resource, scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![all] }.encode_to_vec()
}

fn span(span: Span) -> wire::Span {
    wire::Span {
        trace_id: span.context.trace.to_bytes().into(),
        span_id: span.context.span.to_bytes().into(),
        parent_span_id: span.parent.map(|parent| parent.to_bytes().into()).unwrap_or_default(),
        flags: span.context.flags().into(),
        name: span.name.into_owned(),
        kind: kind(span.kind).into(),
        start_time_unix_nano: nanos(span.started_at),
        // A clock that was set back meanwhile must not make it last less than nothing.
        end_time_unix_nano: nanos(span.ended_at.max(span.started_at)),
        attributes: span.attributes.into_iter().map(|(name, value)| attribute(name, value)).collect(),
        status: span.error.map(failed),
        ..wire::Span::default()
    }
}

fn kind(kind: SpanKind) -> span::SpanKind {
    match kind {
        SpanKind::Server => span::SpanKind::Server,
        SpanKind::Client => span::SpanKind::Client,
        SpanKind::Internal => span::SpanKind::Internal,
    }
}

fn failed(error: &str) -> Status {
    Status { code: StatusCode::Error.into(), message: error.to_owned() }
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or_default().saturating_mul(1000)
}

fn attribute(name: &str, value: Attribute) -> KeyValue {
    let value = match value {
        Attribute::Text(text) => Value::StringValue(text),
        Attribute::Integer(number) => Value::IntValue(number),
    };
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: name.to_owned(), value, ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> Span {
        Span {
            name: "POST /v1/predictions".into(),
            kind: SpanKind::Server,
            context: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().expect("a trace"),
            parent: None,
            started_at: Timestamp::from_micros(1_700_000_000_000_001),
            ended_at: Timestamp::from_micros(1_700_000_000_000_002),
            attributes: vec![
                ("http.response.status_code", 500_u16.into()),
                ("cogwire.event", "start".into()),
            ],
            error: Some("the server failed"),
        }
    }

    #[test]
    fn a_span_is_written_with_all_that_is_known() {
        let body = request(&Resource::new("me", "n1"), vec![given()]);
        let mut read = ExportTraceServiceRequest::decode(&*body).expect("its own bytes");
        let mut of_process = read.resource_spans.remove(0);
        let names = of_process.resource.expect("a resource").attributes.into_iter().map(|each| each.key);
        assert_eq!(names.collect::<Vec<_>>(), ["service.name", "service.version", "service.instance.id"]);
        let mut of_scope = of_process.scope_spans.remove(0);
        assert_eq!(of_scope.scope.expect("a scope").name, "cogwire");
        insta::assert_debug_snapshot!(of_scope.spans.remove(0));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_last_less_than_nothing() {
        let given = given();
        let back = Span { ended_at: Timestamp::from_micros(given.started_at.as_micros() - 1), ..given };
        let written = span(back);
        assert_eq!(written.end_time_unix_nano, written.start_time_unix_nano);
    }
}
