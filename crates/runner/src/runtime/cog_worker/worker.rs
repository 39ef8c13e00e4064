//! A worker that is ready: an instance with a job in each of its slots.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cogwire_core::input::OutputForm;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::ChildStdin;
use tokio_util::sync::CancellationToken;

use super::control::Desk;
use super::frames::{Frames, frame};
use super::handover::Handover;
use super::mark::Marks;
use super::protocol::Order;
use super::run::Run;
use crate::Job;
use crate::event::End;
use crate::instances::instance::Instance;
use crate::reporter::{Reporter, Stopped};
use crate::runtime::cog_model::{Life, Optional, ProcessConfig};
use crate::temporary::TemporaryFolder;

/// A worker process and its slots.
pub(super) struct CogWorker {
    slots: usize,
    free: Mutex<Vec<Slot>>,
    input: tokio::sync::Mutex<ChildStdin>,
    pub(super) life: Arc<Life>,
    pub(super) desk: Arc<Desk>,
    pub(super) marks: Marks,
    pub(super) handover: Handover,
    pub(super) form: OutputForm,
    pub(super) optional: Arc<Optional>,
    pub(super) config: ProcessConfig,
    hears_children: AtomicBool,
    /// For what else the process has in its folder, and to hold it: it ends itself when this connection ends.
    _kept: (TemporaryFolder, UnixStream),
}

/// All but the slots.
pub(super) struct Parts {
    pub(super) life: Arc<Life>,
    pub(super) desk: Arc<Desk>,
    pub(super) input: ChildStdin,
    pub(super) marks: Marks,
    pub(super) handover: Handover,
    pub(super) folder: TemporaryFolder,
    pub(super) leash: UnixStream,
    pub(super) form: OutputForm,
    pub(super) optional: Arc<Optional>,
    pub(super) config: ProcessConfig,
}

/// The connection to one slot.
pub(super) struct Slot {
    pub(super) index: usize,
    pub(super) words: Frames<OwnedReadHalf>,
    pub(super) tasks: OwnedWriteHalf,
}

impl Slot {
    pub(super) fn new(index: usize, stream: UnixStream) -> Self {
        let (words, tasks) = stream.into_split();
        Self { index, words: Frames::new(words), tasks }
    }
}

impl CogWorker {
    pub(super) fn new(slots: Vec<Slot>, parts: Parts) -> Self {
        let Parts { life, desk, input, marks, handover, folder, leash, form, optional, config } = parts;
        let input = tokio::sync::Mutex::new(input);
        let (slots, free) = (slots.len(), Mutex::new(slots));
        let hears_children = AtomicBool::new(slots == 1);
        Self {
            hears_children,
            slots,
            free,
            input,
            life,
            desk,
            marks,
            handover,
            form,
            optional,
            config,
            _kept: (folder, leash),
        }
    }

    /// Tells the worker something; one that does not listen any more has ended or is about to.
    pub(super) async fn order(&self, order: &Order<'_>) {
        let order = frame(order).expect("an order is short");
        let _ = self.input.lock().await.write_all(&order).await;
    }

    /// Whether what child processes print can be told apart from what those of the next prediction print.
    pub(super) fn hears_children(&self) -> bool {
        self.hears_children.load(Ordering::Relaxed)
    }

    pub(super) fn stop_hearing_children(&self) {
        self.hears_children.store(false, Ordering::Relaxed);
    }

    fn take(&self) -> Option<Slot> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, slot: Slot) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
    }
}

#[async_trait]
impl Instance for CogWorker {
    fn slots(&self) -> usize {
        self.slots
    }

    async fn run(&self, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
        // A run that is dropped keeps its slot: nobody knows when the model would be done with it.
        let Some(mut slot) = self.take() else {
            return Ok(End::Failed("The model process has no free slot.".to_owned()));
        };
        let (end, is_free) = Run::new(self, &mut slot, reporter).play(job).await;
        if is_free {
            self.give_back(slot);
        }
        end
    }

    fn dead(&self) -> CancellationToken {
        self.life.dead()
    }

    fn cause_of_death(&self) -> Option<String> {
        self.life.cause()
    }

    fn pid(&self) -> Option<u32> {
        Some(self.life.process.id())
    }

    async fn stop(&self) {
        self.life.blame("The model process was stopped.");
        self.order(&Order::Shutdown).await;
        tokio::select! {
            _ = self.life.process.exited() => {}
            () = self.life.clock.sleep(self.config.stop_grace) => self.life.process.kill(),
        }
        self.life.death().await;
    }
}
