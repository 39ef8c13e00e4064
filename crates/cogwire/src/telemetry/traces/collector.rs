//! The collector: one request for each batch, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::{Client, Response, Url};

use crate::config::Traces;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the connection to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of an answer that are read. It says how many spans were refused, and why.
const LONGEST_ANSWER: usize = 64 << 10;

/// Where batches are sent.
pub(super) struct Collector {
    http: Client,
    url: Url,
    headers: HeaderMap,
}

/// A batch was not taken. The texts name no URL and quote nobody.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// There was no answer.
    #[error("the collector did not answer")]
    Unanswered(#[source] reqwest::Error),
    /// The answer was a refusal.
    #[error("the collector answered {status}{}", advice(*status))]
    Status {
        /// Its status.
        status: StatusCode,
        /// How long it wants to be left alone.
        wish: Option<Duration>,
    },
}

impl Collector {
    pub(super) fn new(config: &Traces) -> reqwest::Result<Self> {
        let builder = Client::builder();
        // A machine without certificates can do without TLS, if it need not do it.
        let needs_tls = config.endpoint.scheme() == "https";
        let builder = if needs_tls { builder } else { builder.tls_certs_only([]) };
        let http = builder
            .user_agent(concat!("cogwire/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // It would be read from the environment.
            .no_proxy()
            // What the headers hold is for one host.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let mut headers = config.headers.clone();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        Ok(Self { http, url: config.endpoint.clone(), headers })
    }

    /// Sends a batch, and says how many of its spans the collector did not want.
    pub(super) async fn post(&self, body: Bytes) -> Result<u64, Refused> {
        let request = self.http.post(self.url.clone()).headers(self.headers.clone()).body(body);
        let response = request.send().await.map_err(unanswered)?;
        let status = response.status();
        if !status.is_success() {
            return Err(Refused::Status { status, wish: retry_after(response.headers()) });
        }
        // What cannot be read does not unsay the status: the spans would be there twice.
        let answer = ExportTraceServiceResponse::decode(read(response).await).unwrap_or_default();
        let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
        Ok(u64::try_from(rejected).unwrap_or_default())
    }
}

impl Refused {
    /// Whether the same batch may be taken later.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Unanswered(_) => true,
            Self::Status { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }

    /// How long the collector wants to be left alone.
    pub(super) fn wish(&self) -> Option<Duration> {
        match self {
            Self::Unanswered(_) => None,
            Self::Status { wish, .. } => *wish,
        }
    }
}

/// What helps against one status more than against others.
fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => " (its key is given by otlp_header)",
        _ => "",
    }
}

fn unanswered(error: reqwest::Error) -> Refused {
    Refused::Unanswered(error.without_url())
}

/// The seconds of a `Retry-After`. A date is passed over: the pauses are short anyway.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The body, as far as it came; nothing when it is too long.
async fn read(mut response: Response) -> Bytes {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        if body.len() + piece.len() > LONGEST_ANSWER {
            return Bytes::new();
        }
        body.extend(piece);
    }
    body.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_taken_later_is_tried_again() {
        let refused =
            |status| Refused::Status { status: StatusCode::from_u16(status).expect("one"), wish: None };
        for (status, temporary) in
            [(400, false), (401, false), (404, false), (413, false), (429, true), (500, false), (503, true)]
        {
            assert_eq!(refused(status).is_temporary(), temporary, "for {status}");
        }
    }

    #[test]
    fn wishes_are_seconds() {
        let read = |text| {
            retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(text))]))
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        for text in ["soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "99999999999999999999"] {
            assert_eq!(read(text), None, "for {text}");
        }
    }
}
