//! Traces: spans on their way to a collector that speaks OTLP over HTTP.
//!
//! Spans are taken when they are over, into a queue with an end, and sent in batches by one task. A collector that is slow or
//! away costs spans and nothing else: nobody waits for it, what there is no room for is counted, and why is said once in a while.
//! What is recorded, and when, is decided where it happens; this module does not know.

mod collector;
mod encode;
mod worries;

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::time::Clock;
use cogwire_core::trace::{Span, Spans};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Traces;
use collector::{Collector, Refused};
use encode::Resource;
use worries::{Losses, Worries};

/// The most spans that wait to be sent. Each is a few short texts and numbers.
const ROOM: usize = 8192;
/// The most spans in one request.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How often a batch is sent that the collector cannot take now.
const TRIES: u32 = 5;
/// The first pause between two tries. Each further one is twice as long, until a batch is taken.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two tries, whatever the collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a server that stops in order goes on sending spans when all else is over.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// Sends spans until the server stops.
pub struct SpanExporter {
    queue: mpsc::Receiver<Span>,
    collector: Collector,
    resource: Resource,
    clock: Arc<dyn Clock>,
    worries: Worries,
    /// Before the next try, after one that failed.
    pause: Duration,
}

/// Takes spans for the exporter.
struct Queue {
    room: mpsc::Sender<Span>,
    losses: Losses,
}

/// Where the spans of a node go, and what sends them.
///
/// # Errors
/// When no request could be made to the collector: this machine has no certificates that https could rest on.
pub fn spans(
    config: &Traces,
    node: &str,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<dyn Spans>, SpanExporter), reqwest::Error> {
    let (room, queue) = mpsc::channel(ROOM);
    let losses = Losses::default();
    let exporter = SpanExporter {
        queue,
        collector: Collector::new(config)?,
        resource: Resource::new(&config.service_name, node),
        worries: Worries::new(config.endpoint.origin().ascii_serialization(), losses.clone()),
        clock,
        pause: FIRST_PAUSE,
    };
    Ok((Arc::new(Queue { room, losses }), exporter))
}

impl Spans for Queue {
    fn is_on(&self) -> bool {
        true
    }

    fn record(&self, span: Span) {
        if self.room.try_send(span).is_err() {
            self.losses.add(1);
        }
    }
}

impl SpanExporter {
    /// Sends what is recorded until `over`, when nobody records any more, and then what is left, for a few seconds at most.
    /// After `hard` it is dropped.
    pub async fn run(mut self, over: CancellationToken, hard: CancellationToken) {
        let clock = self.clock.clone();
        let patience = async {
            over.cancelled().await;
            clock.sleep(LAST_FLUSH).await;
        };
        tokio::select! {
            () = self.export(&over) => {}
            () = patience => self.worries.cut_short(),
            () = hard.cancelled() => {}
        }
    }

    async fn export(&mut self, over: &CancellationToken) {
        while let Some(batch) = self.gather(over).await {
            let spans = batch.len();
            let sent = self.send(encode::request(&self.resource, batch), over).await;
            let now = self.clock.monotonic();
            match sent {
                Ok(rejected) => self.worries.sent(spans, rejected, now),
                Err(refused) => self.worries.lost(spans, &refused, now),
            }
        }
    }

    /// The next batch; `None` when there will be none.
    async fn gather(&mut self, over: &CancellationToken) -> Option<Vec<Span>> {
        let mut batch = Vec::new();
        if let Some(first) = over.run_until_cancelled(self.queue.recv()).await {
            batch.push(first?);
            let filled = async {
                while batch.len() < BATCH {
                    let room = BATCH - batch.len();
                    if self.queue.recv_many(&mut batch, room).await == 0 {
                        break;
                    }
                }
            };
            tokio::select! {
                () = filled => {}
                () = self.clock.sleep(LINGER) => {}
                () = over.cancelled() => {}
            }
        }
        while batch.len() < BATCH
            && let Ok(span) = self.queue.try_recv()
        {
            batch.push(span);
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Sends a batch, and says how many of its spans the collector did not want.
    async fn send(&mut self, body: Vec<u8>, over: &CancellationToken) -> Result<u64, Refused> {
        let body = bytes::Bytes::from(body);
        let mut tries = 1;
        loop {
            match self.collector.post(body.clone()).await {
                Ok(rejected) => {
                    self.pause = FIRST_PAUSE;
                    return Ok(rejected);
                }
                Err(refused) if !refused.is_temporary() || tries == TRIES || over.is_cancelled() => {
                    return Err(refused);
                }
                Err(refused) => {
                    self.worries.delayed(&refused, self.clock.monotonic());
                    let pause = self.pause.max(refused.wish().unwrap_or_default()).min(LONGEST_PAUSE);
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    // Whoever stops has no time for pauses: one more try at once, and that is it.
                    over.run_until_cancelled(self.clock.sleep(pause)).await;
                }
            }
            tries += 1;
        }
    }
}

#[cfg(test)]
mod tests;
