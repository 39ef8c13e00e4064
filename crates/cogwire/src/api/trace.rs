//! The span of a request, and what of it the rest of the API sees: the `traceparent` that the request then has.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use cogwire_core::id::PredictionId;
use cogwire_core::time::Timestamp;
use cogwire_core::trace::{Attribute, Span, SpanContext, SpanId, SpanKind};

use super::Api;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What asks all the time how the server is. It belongs to nobody's work, so it begins no trace.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The prediction that an answer is about, for whoever looks at the answer from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct About(pub(super) PredictionId);

/// A request that a trace shows. Recorded when this is dropped, so also when the client hangs up.
pub(super) struct RequestSpan {
    api: Arc<Api>,
    /// If it is one of those that HTTP has.
    method: Option<&'static str>,
    /// If there is one for it.
    route: Option<String>,
    request_id: String,
    context: SpanContext,
    parent: Option<SpanId>,
    started_at: Timestamp,
    answer: Option<Answer>,
}

struct Answer {
    status: u16,
    prediction: Option<PredictionId>,
}

/// The span that a request belongs to, if its `traceparent` names one. Whoever is there twice is no trace.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<SpanContext> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (first, None) = (values.next()?, values.next()) else { return None };
    first.to_str().ok()?.parse().ok()
}

impl RequestSpan {
    /// Begins the span of a request, if it is to have one: in the caller's trace, or in one of its own. Whatever the request
    /// causes belongs to it from here on, because the request's `traceparent` is now that of the span.
    pub(super) fn begin(
        api: &Arc<Api>,
        method: Option<&'static str>,
        route: Option<&str>,
        request_id: &str,
        headers: &mut HeaderMap,
    ) -> Option<Self> {
        if !api.spans.is_on() {
            return None;
        }
        let caller = traceparent(headers);
        let context = match caller {
            Some(caller) => api.spans.child(caller, &*api.entropy)?,
            None if begins_a_trace(route) => SpanContext::first(&*api.entropy),
            None => return None,
        };
        let own = HeaderValue::from_str(&context.to_string()).expect("it is printable ASCII");
        headers.insert(TRACEPARENT, own);
        Some(Self {
            api: Arc::clone(api),
            method,
            route: route.map(str::to_owned),
            request_id: request_id.to_owned(),
            context,
            parent: caller.map(|caller| caller.span),
            started_at: api.now(),
            answer: None,
        })
    }

    /// The request is answered. The body may still be on its way.
    pub(super) fn end(mut self, response: &Response) {
        let prediction = response.extensions().get::<About>().map(|about| about.0);
        self.answer = Some(Answer { status: response.status().as_u16(), prediction });
    }

    /// As OpenTelemetry names requests.
    fn name(&self) -> String {
        let method = self.method.unwrap_or("HTTP");
        self.route.as_ref().map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let mut attributes: Vec<(_, Attribute)> = vec![
            ("http.request.method", self.method.unwrap_or("_OTHER").into()),
            ("cogwire.request_id", self.request_id.as_str().into()),
        ];
        attributes.extend(self.route.as_deref().map(|route| ("http.route", route.into())));
        let Some(answer) = &self.answer else { return attributes };
        attributes.push(("http.response.status_code", answer.status.into()));
        attributes.extend(answer.prediction.map(|id| ("cogwire.prediction_id", id.as_str().into())));
        attributes.extend(answer.is_error().then(|| ("error.type", answer.status.to_string().into())));
        attributes
    }

    fn error(&self) -> Option<&'static str> {
        match &self.answer {
            Some(answer) => answer.is_error().then_some("the server failed"),
            None => Some("the client hung up"),
        }
    }
}

impl Answer {
    /// What the client did wrong is no error of the server's.
    fn is_error(&self) -> bool {
        self.status >= 500
    }
}

fn begins_a_trace(route: Option<&str>) -> bool {
    route.is_some_and(|route| !PROBES.contains(&route))
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        self.api.spans.record(Span {
            name: self.name().into(),
            kind: SpanKind::Server,
            context: self.context,
            parent: self.parent,
            started_at: self.started_at,
            ended_at: self.api.now(),
            attributes: self.attributes(),
            error: self.error(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(values: &[&str]) -> Option<String> {
        let value = |text: &&str| HeaderValue::from_bytes(text.as_bytes()).expect("a value");
        let headers = values.iter().map(|text| (TRACEPARENT, value(text)));
        traceparent(&headers.collect()).map(|context| context.to_string())
    }

    #[test]
    fn traces_that_make_no_sense_are_passed_over() {
        assert_eq!(read(&[TRACE]).as_deref(), Some(TRACE));
        for values in [vec![], vec!["caf\u{e9}"], vec!["00-1-2-3"], vec![TRACE, TRACE]] {
            assert_eq!(read(&values), None, "for {values:?}");
        }
    }
}
