//! What a worker says on its control channel once it is ready.
//!
//! Notices about a slot go to the run that is in it. With one slot, so does what child processes print; with several,
//! nobody can tell whose it is, and it goes to the log of this program.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::process::ChildStdout;
use tokio::sync::mpsc;

use super::frames::Frames;
use super::mark::{Mark, Marks, Piece, Scanner};
use super::protocol::{Notice, Source};
use crate::runtime::cog_model::Life;

/// The most messages that wait for a run. When they do, the channel is not read.
const WAITING: usize = 256;

/// What a run hears from the control channel.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// The slot can take another prediction.
    Idle,
    /// The slot is of no use any more.
    Broken(String),
    /// Something that was printed, though not by the model's own code.
    Printed(String),
    /// All that was printed to this stream during a call has been said.
    Said(Source, u64),
}

/// Where messages are left for the runs.
#[derive(Debug)]
pub(super) struct Desk {
    seats: Vec<Seat>,
}

#[derive(Debug)]
struct Seat {
    slot: String,
    run: Mutex<Option<mpsc::Sender<Message>>>,
}

impl Desk {
    pub(super) fn new(slots: Vec<String>) -> Self {
        Self { seats: slots.into_iter().map(|slot| Seat { slot, run: Mutex::default() }).collect() }
    }

    /// The name that the worker has given to a slot.
    pub(super) fn name(&self, slot: usize) -> &str {
        self.seats.get(slot).map_or("", |seat| &seat.slot)
    }

    /// Messages for the slot come here from now on, until this is called again.
    pub(super) fn sit(&self, slot: usize) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(WAITING);
        if let Some(seat) = self.seats.get(slot) {
            *seat.lock() = Some(sender);
        }
        receiver
    }

    async fn tell(&self, slot: &str, message: Message) {
        let seat = self.seats.iter().find(|seat| seat.slot == slot);
        let run = seat.and_then(|seat| seat.lock().clone());
        if let Some(run) = run {
            // Fails when the run is over, and then nobody wants to know.
            let _ = run.send(message).await;
        }
    }

    /// Gives the message to the only run that it can belong to; `None` when there is no such run.
    async fn tell_only(&self, message: Message) -> Option<()> {
        let [seat] = &self.seats[..] else { return None };
        let run = seat.lock().clone()?;
        run.send(message).await.ok()
    }
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, Option<mpsc::Sender<Message>>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the channel until the worker has died.
pub(super) async fn attend(mut channel: Frames<ChildStdout>, desk: Arc<Desk>, life: Arc<Life>, marks: Marks) {
    let mut listener = Listener {
        desk,
        life: Arc::clone(&life),
        stdout: Scanner::new(marks.clone()),
        stderr: Scanner::new(marks),
    };
    loop {
        match channel.next().await {
            Ok(Some(notice)) => listener.hear(notice).await,
            // A channel that breaks is as good as closed; one that brings something else was written to by the model.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                break life.kill("The model process wrote to the channel that Cog's worker speaks on.");
            }
            Ok(None) | Err(_) => break,
        }
    }
    life.end().await;
}

struct Listener {
    desk: Arc<Desk>,
    life: Arc<Life>,
    stdout: Scanner,
    stderr: Scanner,
}

impl Listener {
    async fn hear(&mut self, notice: Notice) {
        match notice {
            Notice::Idle { slot } => self.desk.tell(&slot, Message::Idle).await,
            Notice::Failed { slot, error } => self.desk.tell(&slot, Message::Broken(error)).await,
            Notice::Log { source, data } => self.printed(source, &data).await,
            Notice::Fatal { reason } => self.life.blame(format!("Cog's worker broke: {reason}")),
            Notice::WorkerLog { level, message } => self.log(&format!("{level}: {message}")),
            Notice::Ready { .. } | Notice::DroppedLogs { .. } | Notice::Other => {}
        }
    }

    async fn printed(&mut self, source: Source, data: &str) {
        let scanner = match source {
            Source::Stdout => &mut self.stdout,
            Source::Stderr => &mut self.stderr,
        };
        for piece in scanner.feed(data) {
            match piece {
                Piece::Mark(Mark::Call(call)) => {
                    self.desk.tell_only(Message::Said(source, call)).await;
                }
                Piece::Mark(_) => {}
                Piece::Text(text) => {
                    if self.desk.tell_only(Message::Printed(text.clone())).await.is_none() {
                        self.log(&text);
                    }
                }
            }
        }
    }

    fn log(&self, text: &str) {
        for line in text.lines() {
            tracing::debug!(pid = self.life.process.id(), "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::process::{Process, Start};
    use crate::testing::RealClock;

    #[tokio::test]
    async fn what_is_no_message_is_told_as_it_is() {
        let start = Start {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), r"printf '\000\000\000\002xx'; sleep 1000".into()],
            folder: "/".into(),
            variables: Vec::new(),
            family: "rubbish".to_owned(),
            memory_limit: None,
        };
        let (process, streams) = Process::start(start, &TaskTracker::new()).expect("a shell");
        let life = Arc::new(Life::new(process, Arc::new(RealClock)));
        let desk = Arc::new(Desk::new(Vec::new()));
        attend(Frames::new(streams.output), desk, Arc::clone(&life), Marks::new("secret")).await;
        assert_eq!(life.death().await, "The model process wrote to the channel that Cog's worker speaks on.");
    }
}
