//! What a server tells while a run goes on, from whichever side it comes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, SelectAll, Stream, StreamExt, select_all};
use http::{StatusCode, header};
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use serde::Deserialize;
use sse_stream::{Sse, SseByteStream};

use super::callbacks::Inbox;
use super::client::{Call, MAX_ANSWER};
use super::seen::Progress;
use super::server::Server;

/// How often a run is looked at that cannot be watched.
const POLL: Duration = Duration::from_millis(500);

/// How long one such look may take.
const LOOK: Duration = Duration::from_secs(10);

/// The pauses between tries to watch a run that the server does not know yet; each doubles the last.
const FIRST_RETRY: Duration = Duration::from_millis(1);

/// How often that is tried.
const TRIES: u32 = 10;

/// An input that no model takes: it is refused unless the run is under way, and then its state is the answer.
const IMPOSSIBLE: &[u8] = br#"{"input":0}"#;

/// Everything that a server tells about one run, until the run's task drops it.
pub(super) type Feed = SelectAll<BoxStream<'static, Progress>>;

type Events = BoxStream<'static, Result<Sse, sse_stream::Error>>;

/// Opens every source that this server has.
pub(super) fn open(server: &Arc<Server>, path: &str, inbox: Option<Inbox>) -> Feed {
    let mut sources: Vec<BoxStream<'static, Progress>> = Vec::new();
    sources.extend(inbox.map(|inbox| callbacks(Arc::clone(server), inbox)));
    let (watch, look) = (events(Arc::clone(server), path), looks(Arc::clone(server), path));
    match (server.facts.streams, server.facts.answers_polls) {
        (true, _) => sources.push(watch.chain(look).boxed()),
        (false, true) => sources.push(look),
        (false, false) => {}
    }
    select_all(sources)
}

/// What the server sends to us.
fn callbacks(server: Arc<Server>, inbox: Inbox) -> BoxStream<'static, Progress> {
    let next = |(server, mut inbox): (Arc<Server>, Inbox)| async move {
        let state = inbox.next().await?;
        server.heard();
        Some((Progress::State(state), (server, inbox)))
    };
    stream::unfold((server, inbox), next).boxed()
}

/// The events of the run. They end with the run, and when the server has dropped some: it never leaves one out.
fn events(server: Arc<Server>, path: &str) -> BoxStream<'static, Progress> {
    let watch = Watch { server, path: path.to_owned() };
    stream::once(watch.attach()).filter_map(std::future::ready).flat_map(read).boxed()
}

struct Watch {
    server: Arc<Server>,
    path: String,
}

impl Watch {
    /// The stream of the run's events, from the first one. The server may not know the run yet; it does not know it
    /// any more when it is over.
    async fn attach(self) -> Option<Events> {
        let mut pause = FIRST_RETRY;
        for _ in 0..TRIES {
            let call = Call::put(self.path.clone(), IMPOSSIBLE).streamed();
            let (response, sender) = self.server.client.open(call).await.ok()?;
            let kind = response.headers().get(header::CONTENT_TYPE);
            let streams = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
            match response.status() {
                StatusCode::OK if streams => {
                    // Only this answer uses the connection, which ends with it.
                    drop(sender);
                    return Some(SseByteStream::new(bounded(response.into_body())).boxed());
                }
                StatusCode::UNPROCESSABLE_ENTITY => self.server.clock.sleep(pause).await,
                // Older ones know no events and answer as if they had not been asked for any.
                _ => return None,
            }
            pause *= 2;
        }
        None
    }
}

/// The bytes of an answer up to the bound, where it ends as if the server had ended it.
fn bounded(body: Incoming) -> impl Stream<Item = Result<Bytes, hyper::Error>> {
    BodyDataStream::new(body).scan(0, |total, data| {
        *total += data.as_ref().map_or(0, Bytes::len);
        std::future::ready((*total <= MAX_ANSWER).then_some(data))
    })
}

fn read(events: Events) -> impl Stream<Item = Progress> {
    stream::unfold(events, |mut events| async move {
        loop {
            let event = events.next().await?.ok()?;
            let data = event.data.unwrap_or_default();
            match event.event.as_deref() {
                // What comes after dropped events would leave a hole.
                Some("error") => return None,
                Some(kind) => match progress(kind, &data) {
                    Some(progress) => return Some((progress, events)),
                    None => continue,
                },
                None => continue,
            }
        }
    })
}

fn progress(kind: &str, data: &str) -> Option<Progress> {
    #[derive(Deserialize)]
    struct Log {
        data: String,
    }
    #[derive(Deserialize)]
    struct Chunk {
        chunk: cogwire_core::json::Json,
        index: usize,
    }
    match kind {
        "log" => serde_json::from_str(data).ok().map(|log: Log| Progress::Log(log.data)),
        "output" => serde_json::from_str(data)
            .ok()
            .map(|chunk: Chunk| Progress::Item { index: chunk.index, value: chunk.chunk }),
        "completed" => serde_json::from_str(data).ok().map(Progress::State),
        // Metrics come with the end.
        _ => None,
    }
}

/// Looks at the run now and then: of logs, the server sends none that come soon after something else.
fn looks(server: Arc<Server>, path: &str) -> BoxStream<'static, Progress> {
    let look = |(server, path): (Arc<Server>, String)| async move {
        loop {
            server.clock.sleep(POLL).await;
            let call = Call::put(path.clone(), IMPOSSIBLE);
            let Ok(answer) = server.client.call(call, LOOK).await else { continue };
            if answer.status == StatusCode::ACCEPTED
                && let Ok(state) = serde_json::from_slice(&answer.body)
            {
                return Some((Progress::State(state), (server, path)));
            }
        }
    };
    stream::unfold((server, path.to_owned()), look).boxed()
}
