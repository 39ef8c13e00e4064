//! Wake-ups between nodes: PostgreSQL's notifications, on one connection for each node.
//!
//! A notification takes a lock that every other committing notification waits for, so none is ever part of a use case's
//! transaction. What is to be told gathers while the last telling is under way, and for a moment afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cogwire_core::time::Timestamp;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio_postgres::Notification;
use tokio_util::sync::CancellationToken;

use super::PostgresStore;
use super::connection::{Connector, Dedicated, Listener};
use super::database::Database;
use super::failure::{Failure, Outcome};
use crate::signal::{Signal, SignalStore};

/// The shortest time between two tellings.
const PACE: Duration = Duration::from_millis(10);

/// How long to wait before the connection is opened again.
const RECONNECT: Duration = Duration::from_millis(500);

/// Signals that may wait on either side. What does not fit is replaced by one [`Signal::Missed`].
const WAITING: usize = 8192;

/// The longest text of one notification in bytes; PostgreSQL takes less than 8000.
const LONGEST: usize = 7900;

/// Both ends of this node's signals.
pub(super) struct Signals {
    outbox: mpsc::Sender<Signal>,
    inbox: Mutex<mpsc::Receiver<Signal>>,
    missed: Arc<Missed>,
}

/// Says that signals of others were lost on their way in.
#[derive(Default)]
struct Missed {
    is_set: AtomicBool,
    set: Notify,
}

impl Signals {
    /// Begins to listen and to tell, on a task of the database.
    pub(super) fn start(database: &Database) -> Self {
        let (outbox, to_tell) = mpsc::channel(WAITING);
        let (heard, inbox) = mpsc::channel(WAITING);
        let missed = Arc::new(Missed::default());
        let post =
            Post { connector: database.connector().clone(), to_tell, heard, missed: Arc::clone(&missed) };
        database.tasks().spawn(post.work(database.stopping().clone()));
        Self { outbox, inbox: Mutex::new(inbox), missed }
    }
}

#[async_trait]
impl SignalStore for PostgresStore {
    /// What does not fit is lost; the others find out by looking.
    fn signal(&self, signal: Signal) {
        let _ = self.signals.outbox.try_send(signal);
    }

    async fn next_signal(&self) -> Signal {
        let mut inbox = self.signals.inbox.lock().await;
        tokio::select! {
            () = self.signals.missed.taken() => Signal::Missed,
            signal = inbox.recv() => match signal {
                Some(signal) => signal,
                // The store is closed.
                None => std::future::pending().await,
            },
        }
    }
}

impl Missed {
    fn note(&self) {
        self.is_set.store(true, Ordering::Release);
        self.set.notify_one();
    }

    async fn taken(&self) {
        while !self.is_set.swap(false, Ordering::AcqRel) {
            self.set.notified().await;
        }
    }
}

/// The task's part.
struct Post {
    connector: Connector,
    to_tell: mpsc::Receiver<Signal>,
    heard: mpsc::Sender<Signal>,
    missed: Arc<Missed>,
}

/// A connection that listens.
struct Line {
    client: Dedicated,
    channel: String,
    /// Closed when the connection has ended.
    alive: mpsc::Receiver<()>,
}

impl Post {
    async fn work(mut self, stop: CancellationToken) {
        let mut complained = false;
        while !stop.is_cancelled() {
            let Some(opened) = stop.run_until_cancelled(self.open()).await else { return };
            match opened {
                Ok(line) => {
                    complained = false;
                    // Whatever was told before this connection listened was not heard.
                    self.missed.note();
                    self.serve(line, &stop).await;
                }
                Err(error) if !complained => {
                    complained = true;
                    let error = crate::Error::from(error);
                    tracing::warn!(%error, "other nodes cannot be heard; what they do is noticed later, by looking");
                }
                Err(_) => {}
            }
            let _ = stop.run_until_cancelled(tokio::time::sleep(RECONNECT)).await;
        }
    }

    async fn open(&self) -> Outcome<Line> {
        let (open, alive) = mpsc::channel(1);
        let myself = Arc::new(AtomicI32::new(0));
        let client = self.connector.connect(Some(self.listener(Arc::clone(&myself), open))).await?;
        let sql = "SELECT pg_backend_pid(), 'cogwire_' || md5(current_schema())";
        let row = client.query_one(sql, &[]).await?;
        myself.store(row.try_get(0)?, Ordering::Relaxed);
        let channel: String = row.try_get(1)?;
        client.batch_execute(&format!("LISTEN {channel}")).await?;
        Ok(Line { client, channel, alive })
    }

    /// Takes in what others tell. `open` is held for as long as the connection is.
    fn listener(&self, myself: Arc<AtomicI32>, open: mpsc::Sender<()>) -> Listener {
        let (heard, missed) = (self.heard.clone(), Arc::clone(&self.missed));
        Arc::new(move |notification: Notification| {
            let _ = &open;
            if notification.process_id() == myself.load(Ordering::Relaxed) {
                return;
            }
            for signal in decode(notification.payload()) {
                if heard.try_send(signal).is_err() {
                    missed.note();
                }
            }
        })
    }

    /// Tells until the connection or the store is closed. What waits then is told at last: it says that this node is gone.
    async fn serve(&mut self, mut line: Line, stop: &CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let stopping = tokio::select! {
                _ = self.to_tell.recv_many(&mut batch, WAITING) => false,
                _ = line.alive.recv() => return,
                () = stop.cancelled() => {
                    while let Ok(signal) = self.to_tell.try_recv() {
                        batch.push(signal);
                    }
                    true
                }
            };
            if let Err(failure) = line.tell(&batch).await {
                let error = crate::Error::from(failure);
                tracing::debug!(%error, "other nodes were not told");
                return;
            }
            if stopping {
                return;
            }
            batch.clear();
            tokio::time::sleep(PACE).await;
        }
    }
}

impl Line {
    async fn tell(&self, signals: &[Signal]) -> Outcome<()> {
        let texts = encode(signals);
        if !texts.is_empty() {
            let sql = "SELECT pg_notify($1, text) FROM unnest($2::text[]) AS text";
            self.client.query(sql, &[&self.channel, &texts]).await.map_err(Failure::from)?;
        }
        Ok(())
    }
}

/// Signals as words, in as few texts as they fit in. Of several that say the same, one is enough.
fn encode(signals: &[Signal]) -> Vec<String> {
    let words: BTreeSet<String> = signals.iter().filter_map(word).collect();
    let mut texts: Vec<String> = Vec::new();
    for word in words {
        match texts.last_mut() {
            Some(text) if text.len() + 1 + word.len() <= LONGEST => {
                text.push(' ');
                text.push_str(&word);
            }
            _ => texts.push(word),
        }
    }
    texts
}

fn word(signal: &Signal) -> Option<String> {
    match signal {
        Signal::Progress { prediction, events, ended: false } => Some(format!("p:{prediction}:{events}")),
        Signal::Progress { prediction, events, ended: true } => Some(format!("e:{prediction}:{events}")),
        Signal::Queued => Some("q".to_owned()),
        Signal::LaneDue(at) => Some(format!("l:{}", at.as_micros())),
        Signal::Nodes => Some("n".to_owned()),
        // It is about this node's own ears.
        Signal::Missed => None,
    }
}

/// Words that are not known were told by a newer program, and are passed over.
fn decode(text: &str) -> impl Iterator<Item = Signal> {
    text.split(' ').filter_map(read)
}

fn read(word: &str) -> Option<Signal> {
    let mut parts = word.split(':');
    let signal = match parts.next()? {
        kind @ ("p" | "e") => Signal::Progress {
            prediction: parts.next()?.parse().ok()?,
            events: parts.next()?.parse().ok()?,
            ended: kind == "e",
        },
        "q" => Signal::Queued,
        "l" => Signal::LaneDue(Timestamp::from_micros(parts.next()?.parse().ok()?)),
        "n" => Signal::Nodes,
        _ => return None,
    };
    Some(signal)
}

#[cfg(test)]
mod tests {
    use cogwire_core::id::PredictionId;

    use super::*;

    fn progress(number: u128, events: u64, ended: bool) -> Signal {
        Signal::Progress { prediction: PredictionId::new(Timestamp::from_micros(1), number), events, ended }
    }

    #[test]
    fn every_signal_is_read_as_it_was_told() {
        let told = [
            progress(1, 0, false),
            progress(2, u64::MAX, true),
            Signal::Queued,
            Signal::LaneDue(Timestamp::from_micros(-5)),
            Signal::Nodes,
        ];
        for signal in told {
            let texts = encode(&[signal]);
            assert_eq!(decode(&texts[0]).collect::<Vec<_>>(), [signal]);
        }
    }

    #[test]
    fn many_signals_fit_in_few_texts_and_none_is_lost() {
        let told: Vec<Signal> = (0..1000).map(|number| progress(number, 7, false)).collect();
        let texts = encode(&told);
        assert!(texts.iter().all(|text| text.len() <= LONGEST) && texts.len() < 10, "{}", texts.len());
        let heard: Vec<Signal> = texts.iter().flat_map(|text| decode(text)).collect();
        assert!(heard.len() == told.len() && told.iter().all(|signal| heard.contains(signal)));
        assert_eq!(encode(&[Signal::Queued; 50]), ["q"]);
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let heard: Vec<Signal> = decode("x:1 p p:nonsense:1 p::  q l: l:x é").collect();
        assert_eq!(heard, [Signal::Queued]);
        assert!(encode(&[Signal::Missed]).is_empty());
    }
}
