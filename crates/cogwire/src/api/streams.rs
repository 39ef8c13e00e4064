//! `GET /streams/{capability}`: what a model says, as it becomes durable.
//!
//! Whoever has the URL may read it, from any web page. Every reader gets everything: one that comes late from the start, one
//! that comes back from where it was.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cogwire_core::time::Sleep;
use cogwire_core::wire::ErrorBody;
use cogwire_core::wire::sse::{GREETING, IDLE, SseWriter};
use cogwire_engine::Follow;
use cogwire_store::prediction::StreamPage;
use futures_util::{StreamExt, stream};

use super::at::At;
use super::{Api, Failure};

const LAST_EVENT_ID: &str = "last-event-id";

/// `GET /streams/{capability}`
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    At(capability): At<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let id = api.links.parse_stream(&capability).ok_or_else(Failure::not_found)?;
    let prediction = api.store.load(id).await?.ok_or_else(Failure::not_found)?;
    if prediction.data_removed {
        return Err(ErrorBody::new(
            410,
            "The data of this prediction has been removed, and its stream with it.",
        )
        .into());
    }
    let writer = SseWriter::new(prediction.request.created_at);
    let last_event_id = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let seen = last_event_id.and_then(|id| writer.last_seen(id));
    // An id beyond the stored events is that of the end, or made up; either way there is nothing stored after it.
    let from = seen.map_or(0, |seen| seen.saturating_add(1)).min(prediction.next_event);
    let reader = Reader { follow: api.engine.follow(id, from), api, writer, seen };
    let events = stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        let (bytes, goes_on) = reader.next().await?;
        Some((bytes, goes_on.then_some(reader)))
    });
    let greeting = stream::once(async { Bytes::from_static(GREETING.as_bytes()) });
    let body = Body::from_stream(greeting.chain(events).map(Ok::<_, Infallible>));
    // Proxies that buffer would hold the events back.
    let buffering = (header::HeaderName::from_static("x-accel-buffering"), "no");
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store"), buffering];
    Ok((headers, body).into_response())
}

struct Reader {
    api: Arc<Api>,
    follow: Follow,
    writer: SseWriter,
    /// The number that the reader had seen when it came.
    seen: Option<u64>,
}

impl Reader {
    /// The next bytes, and whether more will follow. `None` ends the stream in the middle: the reader comes back.
    async fn next(&mut self) -> Option<(Bytes, bool)> {
        loop {
            let idle: Sleep = self.api.clock.sleep(self.api.config.stream_idle);
            let page = tokio::select! {
                page = self.follow.next() => page,
                () = self.api.engine.stopping().cancelled() => return None,
                () = idle => return Some((Bytes::from_static(IDLE.as_bytes()), false)),
            };
            let page = match page {
                Ok(page) => page?,
                Err(error) => {
                    tracing::warn!(%error, "a stream was cut off");
                    return None;
                }
            };
            let over = page.status.is_terminal() && page.complete;
            let text = self.write(&page, over);
            // A page of metrics alone has nothing for the reader.
            if over || !text.is_empty() {
                return Some((text.into(), !over));
            }
        }
    }

    fn write(&self, page: &StreamPage, over: bool) -> String {
        let mut text = String::new();
        for chunk in &page.chunks {
            for (number, event) in (chunk.first..).zip(&chunk.events) {
                self.writer.event(&mut text, number, event);
            }
        }
        if over {
            self.writer.end(&mut text, self.follow.position(), self.seen, page.status, page.error.as_deref());
        }
        text
    }
}
