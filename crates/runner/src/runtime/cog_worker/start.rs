//! From nothing to a worker that is ready.
//!
//! What the setup prints is read until the shim says that this was all: the worker may say that it is ready, or even
//! end, before it has passed on the last lines.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::time::Clock;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio_util::task::TaskTracker;

use super::control::{Desk, attend};
use super::frames::{Frames, frame};
use super::handover::Handover;
use super::launcher::CogWorkers;
use super::mark::{Mark, Marks, Piece, Scanner};
use super::protocol::{Notice, Order, SLOT_PROTOCOL, Source, Transport, Word};
use super::worker::{CogWorker, Parts, Slot};
use crate::instances::boot::Boot;
use crate::instances::instance::BootError;
use crate::process::{Process, Start, Streams, lines};
use crate::runtime::cog_model::{Life, Surroundings, Worker, not_understood, private, variables, worker_of};
use crate::temporary::TemporaryFolder;

const SHIM: &str = "shim.py";
const SHIM_TEXT: &str = concat!(include_str!("../left.py"), "\n\n", include_str!("shim.py"));
const LEASH: &str = "leash.sock";
const TEMPORARY: &str = "tmp";

/// How long a worker of an unknown version may take to say what it speaks, and one that failed to say the rest.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long a worker of an unknown version may take to connect to its sockets, which comes before everything else.
const INTRODUCTION: Duration = Duration::from_secs(30);

/// A process that is not ready yet.
pub(super) struct Starting {
    process: Process,
    input: ChildStdin,
    control: Frames<ChildStdout>,
    sockets: Sockets,
    marks: Marks,
    handover: Handover,
    errors: Arc<Boot>,
    scanners: (Scanner, Scanner),
    /// The model's own error, in one line.
    error: Option<String>,
}

/// The sockets that the worker and the shim connect to, in a folder that goes with them.
struct Sockets {
    folder: TemporaryFolder,
    slots: Vec<UnixListener>,
    leash: UnixListener,
}

/// Who has connected so far.
#[derive(Default)]
struct Met {
    leash: Option<UnixStream>,
    slots: Vec<UnixStream>,
}

/// The connections of a worker that is ready.
pub(super) struct Ready {
    names: Vec<String>,
    slots: Vec<Slot>,
    leash: UnixStream,
}

impl Starting {
    /// Makes the folders and sockets, and starts the process.
    pub(super) async fn begin(launcher: &CogWorkers) -> Result<Self, BootError> {
        let CogWorkers { model, config, surroundings: Surroundings { entropy, tracker, .. }, .. } = launcher;
        let program = model.bin.join("python");
        let spawn = |source| BootError::Spawn { program: program.display().to_string(), source };
        let secret = format!("{:032x}", entropy.bits());
        let (handover, sockets) = launcher.places(&secret).await.map_err(spawn)?;
        let shim = launcher.shim(&secret, &handover, &sockets).to_string();
        let temporary = sockets.folder.path().join(TEMPORARY);
        let mut variables = variables::of(model, &config.passed_on, &temporary);
        variables.push(("COGWIRE_SHIM".into(), shim.into()));
        let start = Start {
            program: program.clone(),
            arguments: vec!["-c".into(), "import coglet; coglet.server._run_worker()".into()],
            folder: model.folder.clone(),
            variables,
            family: format!("{:032x}", entropy.bits()),
            memory_limit: config.memory_limit,
        };
        let (process, Streams { input, output, errors }) = Process::start(start, tracker).map_err(spawn)?;
        let kept = Arc::new(Boot::default());
        tracker.spawn(keep(errors, Arc::clone(&kept)));
        let marks = Marks::new(&secret);
        let scanners = (Scanner::new(marks.clone()), Scanner::new(marks.clone()));
        let control = Frames::new(output);
        Ok(Self { process, input, control, sockets, marks, handover, errors: kept, scanners, error: None })
    }

    /// Waits until the worker is ready.
    pub(super) async fn ready(&mut self, launcher: &CogWorkers, boot: &Boot) -> Result<Ready, BootError> {
        self.order(launcher).await;
        let mut met = Met::default();
        let named = self.named(launcher, boot, &mut met).await;
        let names = named.map_err(|error| match met.slots.is_empty() && launcher.is_unknown() {
            true => not_understood(&launcher.model.cog_version),
            false => error,
        })?;
        let leash = match met.leash {
            Some(leash) => leash,
            None => accept(&self.sockets.leash).await,
        };
        while met.slots.len() < self.sockets.slots.len() {
            met.slots.push(self.sockets.next_slot(met.slots.len()).await);
        }
        let slots = understood(launcher, met.slots).await?;
        Ok(Ready { names, slots, leash })
    }

    /// Waits until the worker says that it is ready, and gives the names of its slots.
    async fn named(
        &mut self,
        launcher: &CogWorkers,
        boot: &Boot,
        met: &mut Met,
    ) -> Result<Vec<String>, BootError> {
        let clock = &launcher.surroundings.clock;
        let mut introduction = clock.sleep(INTRODUCTION);
        loop {
            tokio::select! {
                notice = self.control.next::<Notice>() => match notice {
                    Ok(Some(Notice::Ready { slots })) => return Ok(slots),
                    Ok(Some(Notice::Failed { error, .. } | Notice::Fatal { reason: error })) => {
                        self.last_words(boot, clock).await;
                        return Err(BootError::Setup(self.error.take().unwrap_or_else(|| bare(&error).to_owned())));
                    }
                    Ok(Some(notice)) => self.hear(notice, boot, met.leash.as_mut()).await,
                    Ok(None) | Err(_) => return Err(self.ended(boot, clock).await),
                },
                stream = accept(&self.sockets.leash), if met.leash.is_none() => met.leash = Some(stream),
                stream = self.sockets.next_slot(met.slots.len()) => met.slots.push(stream),
                () = &mut introduction, if met.slots.is_empty() && launcher.is_unknown() => {
                    return Err(not_understood(&launcher.model.cog_version));
                }
            }
        }
    }

    async fn order(&mut self, launcher: &CogWorkers) {
        let folder = self.sockets.folder.path();
        let order = Order::Init {
            predictor_ref: &format!("{}:Model", folder.join(SHIM).display()),
            num_slots: launcher.model.slots,
            transport_info: Transport::NamedSockets { dir: folder, num_slots: launcher.model.slots },
            is_train: launcher.trains,
            is_async: launcher.model.is_async,
        };
        let order = frame(&order).expect("an order is short");
        // A process that does not listen has ended, and that is noticed where it is listened to.
        let _ = self.input.write_all(&order).await;
    }

    /// Takes the worker into service.
    pub(super) fn finish(self, launcher: &CogWorkers, ready: Ready) -> CogWorker {
        let Surroundings { clock, tracker, .. } = &launcher.surroundings;
        let life = Arc::new(Life::new(self.process, Arc::clone(clock)));
        let desk = Arc::new(Desk::new(ready.names));
        tracker.spawn(attend(self.control, Arc::clone(&desk), Arc::clone(&life), self.marks.clone()));
        CogWorker::new(
            ready.slots,
            Parts {
                life,
                desk,
                input: self.input,
                marks: self.marks,
                handover: self.handover,
                folder: self.sockets.folder,
                leash: ready.leash,
                form: launcher.form,
                optional: Arc::clone(&launcher.optional),
                config: launcher.config.clone(),
            },
        )
    }

    /// Leaves nothing of it behind.
    pub(super) async fn abandon(self) {
        self.process.kill();
        self.process.exited().await;
    }

    async fn hear(&mut self, notice: Notice, boot: &Boot, leash: Option<&mut UnixStream>) {
        match notice {
            Notice::Log { source, data } => {
                if self.printed(source, &data, boot)
                    && let Some(leash) = leash
                {
                    // When the shim does not listen any more, it does not wait either.
                    let _ = leash.write_all(b"1").await;
                }
            }
            Notice::DroppedLogs { count } => {
                boot.log(&format!("[{count} lines were printed faster than Cog could pass them on]\n"));
            }
            Notice::WorkerLog { level, message } => {
                tracing::debug!(pid = self.process.id(), "{level}: {message}");
            }
            _ => {}
        }
    }

    /// Takes what the setup printed; whether the shim waits for an answer.
    fn printed(&mut self, source: Source, data: &str, boot: &Boot) -> bool {
        let scanner = match source {
            Source::Stdout => &mut self.scanners.0,
            Source::Stderr => &mut self.scanners.1,
        };
        let mut settles = false;
        for piece in scanner.feed(data) {
            match piece {
                Piece::Text(text) => boot.log(&text),
                Piece::Mark(Mark::Error(error)) => self.error = Some(error),
                Piece::Mark(mark) => settles |= matches!(mark, Mark::Settle(_)),
            }
        }
        settles
    }

    /// Reads what is left of the control channel of a worker that has failed.
    async fn last_words(&mut self, boot: &Boot, clock: &Arc<dyn Clock>) {
        let mut enough = clock.sleep(LAST_WORDS);
        loop {
            tokio::select! {
                () = &mut enough => return,
                notice = self.control.next::<Notice>() => match notice {
                    Ok(Some(notice)) => self.hear(notice, boot, None).await,
                    Ok(None) | Err(_) => return,
                },
            }
        }
    }

    /// What to say about a process that has closed its channel.
    async fn ended(&mut self, boot: &Boot, clock: &Arc<dyn Clock>) -> BootError {
        let exit = tokio::select! {
            exit = self.process.exited() => exit,
            () = clock.sleep(LAST_WORDS) => {
                self.process.kill();
                self.process.exited().await
            }
        };
        boot.log(&self.errors.logs());
        match boot.last_line() {
            Some(line) => BootError::Exited(format!("{exit} ({line})")),
            None => BootError::Exited(exit.to_string()),
        }
    }
}

impl Sockets {
    /// Blocks.
    fn bind(work_dir: &Path, slots: usize, tracker: TaskTracker) -> io::Result<Self> {
        let folder = TemporaryFolder::new(private::folder(&private::short(work_dir))?, tracker);
        let path = folder.path();
        fs::create_dir(path.join(TEMPORARY))?;
        fs::write(path.join(SHIM), SHIM_TEXT)?;
        let slots = (0..slots).map(|slot| UnixListener::bind(path.join(format!("slot-{slot}.sock"))));
        let slots = slots.collect::<io::Result<_>>()?;
        let leash = UnixListener::bind(path.join(LEASH))?;
        Ok(Self { slots, leash, folder })
    }

    /// The connection of the next slot, or nothing for ever when all are there.
    async fn next_slot(&self, connected: usize) -> UnixStream {
        match self.slots.get(connected) {
            Some(listener) => accept(listener).await,
            None => std::future::pending().await,
        }
    }
}

impl CogWorkers {
    /// Makes what a process needs in the file system.
    async fn places(&self, secret: &str) -> io::Result<(Handover, Sockets)> {
        let (work_dir, slots, secret) = (self.config.work_dir.clone(), self.model.slots, secret.to_owned());
        let tracker = self.surroundings.tracker.clone();
        let make = move || {
            fs::create_dir_all(&work_dir)?;
            let handover = Handover::new(&work_dir, &secret, slots, tracker.clone())?;
            Ok((handover, Sockets::bind(&work_dir, slots, tracker)?))
        };
        tokio::task::spawn_blocking(make).await.map_err(io::Error::other)?
    }

    fn is_unknown(&self) -> bool {
        worker_of(&self.model.cog_version) == Worker::Unknown
    }

    fn shim(&self, secret: &str, handover: &Handover, sockets: &Sockets) -> serde_json::Value {
        json!({
            "model": self.reference,
            "train": self.trains,
            "slots": self.model.slots,
            "token": secret,
            "outputs": handover.path(),
            "leash": sockets.folder.path().join(LEASH),
        })
    }
}

/// Errors of `accept` pass: the connection was gone before it was taken.
async fn accept(listener: &UnixListener) -> UnixStream {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            return stream;
        }
    }
}

/// Looks whether a worker of an unknown version says that it speaks what is spoken here.
async fn understood(launcher: &CogWorkers, slots: Vec<UnixStream>) -> Result<Vec<Slot>, BootError> {
    let mut slots: Vec<Slot> =
        slots.into_iter().enumerate().map(|(index, stream)| Slot::new(index, stream)).collect();
    if !launcher.is_unknown() {
        return Ok(slots);
    }
    for slot in &mut slots {
        let word = tokio::select! {
            word = slot.words.next::<Word>() => word.ok().flatten(),
            () = launcher.surroundings.clock.sleep(LAST_WORDS) => None,
        };
        if !matches!(word, Some(Word::ProtocolVersion { version: SLOT_PROTOCOL })) {
            return Err(not_understood(&launcher.model.cog_version));
        }
    }
    Ok(slots)
}

/// Keeps the last of what a process says on its standard error. Nothing comes there once the worker has begun.
async fn keep(errors: ChildStderr, kept: Arc<Boot>) {
    lines(errors, |line| {
        tracing::debug!("{}", line.trim_end());
        kept.log(line);
    })
    .await;
}

/// What the worker says about a failed setup, without what it puts before it.
fn bare(error: &str) -> &str {
    let mut bare = error;
    for prefix in ["Setup failed: ", "setup failed: ", "failed to load predictor: "] {
        bare = bare.strip_prefix(prefix).unwrap_or(bare);
    }
    bare
}
