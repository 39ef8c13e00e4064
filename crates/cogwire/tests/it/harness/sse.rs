//! Reads an event stream to its end.

use futures_util::StreamExt;
use serde_json::Value;

use super::app::TestApp;

/// One event, as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sse {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

/// Reads the stream of a prediction, from after `last_event_id`, until the server closes it.
pub(crate) async fn read_stream(app: &TestApp, prediction: &Value, last_event_id: Option<&str>) -> Vec<Sse> {
    let url = prediction["urls"]["stream"].as_str().expect("a stream");
    let mut request = app.http().request(reqwest::Method::GET, url).header("accept", "text/event-stream");
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    let response = request.send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let events = sse_stream::SseStream::from_bytes_stream(response.bytes_stream());
    let events: Vec<_> = events.map(|event| event.expect("an event")).collect().await;
    events.into_iter().filter(|event| event.data.is_some()).map(Sse::from).collect()
}

impl From<sse_stream::Sse> for Sse {
    fn from(event: sse_stream::Sse) -> Self {
        Self {
            event: event.event.unwrap_or_default(),
            id: event.id.unwrap_or_default(),
            data: event.data.unwrap_or_default(),
        }
    }
}
