//! The span of an attempt: the one that the receiver is told of.

use cogwire_core::time::{Entropy, Timestamp};
use cogwire_core::trace::{Attribute, Span, SpanContext, SpanId, SpanKind, Spans};
use cogwire_store::delivery::ClaimedLane;

use crate::message::Message;
use crate::sink::{Answer, Class};

/// An attempt's place in the trace that its prediction belongs to. The receiver is told of it whether anybody here wants to
/// see it or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptSpan {
    /// Its own place.
    pub(crate) context: SpanContext,
    parent: SpanId,
}

impl AttemptSpan {
    /// A span that nobody had before, for a lane that belongs to a trace.
    pub(crate) fn of(lane: &ClaimedLane, entropy: &dyn Entropy) -> Option<Self> {
        let cause = lane.options.traceparent?;
        Some(Self { context: cause.child(entropy), parent: cause.span })
    }

    /// Records the attempt, if somebody wants to see it. Of where it went only host and port are told: a path or a query
    /// may be secret.
    pub(crate) fn record(
        self,
        spans: &dyn Spans,
        lane: &ClaimedLane,
        message: &Message,
        answer: &Answer,
        (started_at, ended_at): (Timestamp, Timestamp),
    ) {
        if !spans.is_on() || !self.context.is_sampled() {
            return;
        }
        let class = answer.class.as_str();
        spans.record(Span {
            name: format!("webhook {}", message.event.as_str()).into(),
            kind: SpanKind::Client,
            context: self.context,
            parent: Some(self.parent),
            started_at,
            ended_at,
            attributes: attributes(lane, message, answer),
            error: (answer.class != Class::Delivered).then_some(class),
        });
    }
}

fn attributes(lane: &ClaimedLane, message: &Message, answer: &Answer) -> Vec<(&'static str, Attribute)> {
    let (host, port) = place(&lane.origin);
    let mut attributes: Vec<(_, Attribute)> = vec![
        ("cogwire.prediction_id", lane.prediction.as_str().into()),
        ("cogwire.delivery_id", message.id.to_string().into()),
        ("cogwire.event", message.event.as_str().into()),
        ("cogwire.attempt", message.attempt.into()),
        ("cogwire.class", answer.class.as_str().into()),
        ("http.request.method", "POST".into()),
        ("server.address", host.into()),
    ];
    attributes.extend(port.map(|port| ("server.port", port.into())));
    attributes.extend(answer.status.map(|status| ("http.response.status_code", status.into())));
    attributes.extend(error_type(answer).map(|text| ("error.type", text.into())));
    attributes
}

/// As OpenTelemetry tells errors apart: by the status, if there is one.
fn error_type(answer: &Answer) -> Option<String> {
    let class = || answer.class.as_str().to_owned();
    (answer.class != Class::Delivered).then(|| answer.status.map_or_else(class, |status| status.to_string()))
}

/// The host and the port of an origin, which is a scheme, a host and maybe a port.
fn place(origin: &str) -> (&str, Option<u16>) {
    let (scheme, place) = origin.split_once("://").unwrap_or(("", origin));
    match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (place, usual_port(scheme)),
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn of_an_origin_only_host_and_port_are_told() {
        for (origin, host, port) in [
            ("https://example.com", "example.com", Some(443)),
            ("http://example.com", "example.com", Some(80)),
            ("http://localhost:3000", "localhost", Some(3000)),
            ("http://[::1]:3000", "[::1]", Some(3000)),
            ("https://[2001:db8::1]", "[2001:db8::1]", Some(443)),
            ("example.com:port", "example.com", None),
        ] {
            assert_eq!(place(origin), (host, port), "for {origin}");
        }
    }
}
