//! One prediction in one slot.

use std::io;
use std::time::Duration;

use cogwire_core::json::Json;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::control::Message;
use super::frames::frame;
use super::handover::HandoverError;
use super::mark::{Call, Mark};
use super::metrics::Metrics;
use super::output::Outputs;
use super::protocol::{MetricMode, NoContext, Order, Source, Task, Word};
use super::worker::{CogWorker, Slot};
use crate::Job;
use crate::event::{End, Produced};
use crate::reporter::{Reporter, Stopped};
use crate::runtime::wording::model_error;

/// The most bytes of logs that become one event.
const MAX_LOG: usize = 64 * 1024;

/// Inputs that are longer go through a file.
const MAX_INLINE: usize = 6 * 1024 * 1024;

const NOT_CANCELLED: &str = "The model process was killed: a cancelled prediction did not end within";

/// How long a slot may take to become free after its prediction has ended.
const IDLE_GRACE: Duration = Duration::from_secs(10);

/// How long a process may take to end whose connection has ended.
const GONE_GRACE: Duration = Duration::from_secs(3);

/// How long the last words of child processes are waited for.
const SAID_GRACE: Duration = Duration::from_millis(500);

/// How long a cancel that may be lost is given before it is repeated. The worker forgets one that comes before the
/// model is called, and for an asynchronous model also shortly afterwards. A synchronous model gets no second one: it
/// would disturb what the model does about the first.
const CANCEL_AGAIN: Duration = Duration::from_millis(50);

/// A prediction that runs, or is about to.
pub(super) struct Run<'a> {
    worker: &'a CogWorker,
    slot: &'a mut Slot,
    reporter: &'a Reporter,
    messages: mpsc::Receiver<Message>,
    /// What was printed and is not reported yet.
    log: String,
    outputs: Outputs,
    metrics: Metrics,
    /// What the model said when it failed.
    error: Option<String>,
    /// What went wrong on this side.
    fault: Option<HandoverError>,
    /// The call, once the model is called.
    call: Option<Call>,
    said: Said,
    idle: Idle,
}

/// Up to which call everything printed has been said, for each stream.
#[derive(Default)]
struct Said {
    stdout: u64,
    stderr: u64,
}

/// Whether the slot is free again.
#[derive(PartialEq)]
enum Idle {
    No,
    Yes,
    Never,
}

/// How the worker says that it is over.
enum Verdict {
    Done {
        predict_time: f64,
        is_list: bool,
    },
    Failed(String),
    Cancelled,
    /// The worker is dead, or about to be.
    Gone,
}

impl<'a> Run<'a> {
    pub(super) fn new(worker: &'a CogWorker, slot: &'a mut Slot, reporter: &'a Reporter) -> Self {
        Self {
            messages: worker.desk.sit(slot.index),
            outputs: Outputs::new(worker.form),
            worker,
            slot,
            reporter,
            log: String::new(),
            metrics: Metrics::default(),
            error: None,
            fault: None,
            call: None,
            said: Said::default(),
            idle: Idle::No,
        }
    }

    /// Runs it to its end; also gives whether the slot is free again.
    pub(super) async fn play(mut self, job: &Job) -> (Result<End, Stopped>, bool) {
        if let Err(stopped) = self.reporter.started().await {
            return (Err(stopped), true);
        }
        let task = match self.task(job).await {
            Ok(task) => task,
            Err(error) => {
                return (
                    Ok(End::Failed(format!("The input could not be given to the model: {error}."))),
                    true,
                );
            }
        };
        if self.slot.tasks.write_all(&task).await.is_err() {
            let is_free = self.settle(&Verdict::Gone).await;
            return (self.conclude(Verdict::Gone).await, is_free);
        }
        let (verdict, stopped) = match self.listen().await {
            Ok(verdict) => (verdict, None),
            Err(stopped) => (self.cancel().await, Some(stopped)),
        };
        let is_free = self.settle(&verdict).await;
        match stopped {
            Some(stopped) => (Err(stopped), is_free),
            None => (self.conclude(verdict).await, is_free),
        }
    }

    /// The message that starts it.
    async fn task(&self, job: &Job) -> io::Result<Vec<u8>> {
        let output_dir = self.worker.handover.slot(self.slot.index);
        let arguments = self.worker.optional.arguments(&job.input);
        let (input, file) = if job.input.as_str().len() <= MAX_INLINE {
            (Some(&arguments), None)
        } else {
            let file = output_dir.join("input.json");
            tokio::fs::write(&file, arguments.to_string()).await?;
            (None, Some(file))
        };
        let task = Task::Predict {
            id: job.prediction.as_str(),
            input,
            input_file: file.as_deref(),
            output_dir: &output_dir,
            context: NoContext {},
        };
        frame(&task)
    }

    /// Reports what the model says until it is over.
    async fn listen(&mut self) -> Result<Verdict, Stopped> {
        loop {
            tokio::select! {
                stopped = self.reporter.stopped() => return Err(stopped),
                Some(message) = self.messages.recv() => self.note(message),
                word = self.slot.words.next::<Word>() => match word {
                    Ok(Some(word)) => if let Some(verdict) = self.hear(word).await? {
                        return Ok(verdict);
                    },
                    Ok(None) | Err(_) => return Ok(Verdict::Gone),
                },
            }
            // What is there already goes out in one piece.
            let more = self.slot.words.has_waiting() || !self.messages.is_empty();
            if !more || self.log.len() > MAX_LOG {
                self.report_log().await?;
            }
        }
    }

    async fn hear(&mut self, word: Word) -> Result<Option<Verdict>, Stopped> {
        match word {
            Word::LogLine { data } => match self.worker.marks.read(&data) {
                Some(mark) => self.obey(mark).await?,
                None => self.log.push_str(&data),
            },
            Word::OutputChunk { output } => {
                let taken = self.worker.handover.value(&output).await;
                self.produce(taken).await?;
            }
            Word::FileOutput { filename, kind } => {
                let taken = self.worker.handover.file(filename, kind).await;
                self.produce(taken).await?;
            }
            Word::Metric { name, value, mode } => self.measure(&name, value, mode).await?,
            Word::Done { predict_time, is_stream } => {
                return Ok(Some(Verdict::Done { predict_time, is_list: is_stream }));
            }
            Word::Failed { error } => return Ok(Some(Verdict::Failed(error))),
            Word::Cancelled {} => return Ok(Some(Verdict::Cancelled)),
            Word::ProtocolVersion { .. } | Word::Other => {}
        }
        Ok(None)
    }

    async fn obey(&mut self, mark: Mark) -> Result<(), Stopped> {
        let taken = match mark {
            Mark::Begun(call) => {
                self.call = Some(call);
                return Ok(());
            }
            Mark::Error(error) => {
                self.error = Some(error);
                return Ok(());
            }
            Mark::Call(_) | Mark::Settle(_) => return Ok(()),
            Mark::Item(item) => self.worker.handover.value(&item).await,
            Mark::ItemFile(path) => self.worker.handover.json_file(path).await,
        };
        self.produce(taken).await
    }

    /// Something that cannot be taken fails the prediction, but only once the model is done.
    async fn produce(&mut self, taken: Result<Produced, HandoverError>) -> Result<(), Stopped> {
        self.report_log().await?;
        match taken {
            Ok(produced) => {
                for output in self.outputs.add(produced) {
                    self.reporter.output(output).await?;
                }
            }
            Err(error) => self.fault = self.fault.take().or(Some(error)),
        }
        Ok(())
    }

    async fn measure(&mut self, name: &str, value: Value, mode: MetricMode) -> Result<(), Stopped> {
        self.report_log().await?;
        match self.metrics.change(name, value, mode) {
            Some((name, value)) => self.reporter.metric(&name, value).await,
            None => Ok(()),
        }
    }

    async fn report_log(&mut self) -> Result<(), Stopped> {
        if self.log.is_empty() {
            return Ok(());
        }
        self.reporter.log(std::mem::take(&mut self.log)).await
    }

    fn note(&mut self, message: Message) {
        match message {
            Message::Idle => self.idle = Idle::Yes,
            Message::Broken(error) => {
                self.idle = Idle::Never;
                self.worker.life.kill(format!("A slot of Cog's worker broke: {error}"));
            }
            Message::Printed(text) => self.log.push_str(&text),
            Message::Said(Source::Stdout, call) => self.said.stdout = call,
            Message::Said(Source::Stderr, call) => self.said.stderr = call,
        }
    }

    /// Tells the model to stop, and kills it when it does not.
    async fn cancel(&mut self) -> Verdict {
        let clock = &self.worker.life.clock;
        let timeout = self.worker.config.cancel_timeout;
        let order = Order::Cancel { slot: self.worker.desk.name(self.slot.index) };
        self.worker.order(&order).await;
        let mut deadline = clock.sleep(timeout);
        let mut again = clock.sleep(CANCEL_AGAIN);
        let mut may_be_lost = self.call.is_none_or(|call| call.is_async);
        loop {
            tokio::select! {
                () = &mut deadline => {
                    let seconds = timeout.as_secs_f64();
                    self.worker.life.kill(format!("{NOT_CANCELLED} {seconds} s."));
                    return Verdict::Gone;
                }
                () = &mut again, if may_be_lost && self.call.is_some() => {
                    again = clock.sleep(CANCEL_AGAIN);
                    may_be_lost = self.call.is_some_and(|call| call.is_async);
                    self.worker.order(&order).await;
                }
                Some(message) = self.messages.recv() => self.note(message),
                word = self.slot.words.next::<Word>() => match word {
                    Ok(Some(Word::Done { .. } | Word::Cancelled {} | Word::Failed { .. })) => return Verdict::Cancelled,
                    Ok(Some(word)) => self.overhear(word).await,
                    Ok(None) | Err(_) => return Verdict::Gone,
                },
            }
            // Nobody reads it any more.
            self.log.clear();
        }
    }

    /// Hears what a cancelled prediction says. Its files are taken to be deleted.
    async fn overhear(&mut self, word: Word) {
        let handover = &self.worker.handover;
        let taken = match word {
            Word::LogLine { data } => match self.worker.marks.read(&data) {
                Some(Mark::Begun(call)) => {
                    self.call = Some(call);
                    return;
                }
                Some(Mark::Item(item)) => handover.value(&item).await,
                Some(Mark::ItemFile(path)) => handover.json_file(path).await,
                _ => return,
            },
            Word::OutputChunk { output } => handover.value(&output).await,
            Word::FileOutput { filename, kind } => handover.file(filename, kind).await,
            _ => return,
        };
        drop(taken);
    }

    /// Waits until the slot is free and all that was printed is here; whether the slot can be used again.
    async fn settle(&mut self, verdict: &Verdict) -> bool {
        if matches!(verdict, Verdict::Gone) {
            self.outlive(GONE_GRACE, "The model process was killed: it had closed its connections.").await;
            return false;
        }
        if !self.becomes_idle().await {
            self.outlive(
                Duration::ZERO,
                "The model process was killed: it did not become free after a prediction.",
            )
            .await;
            return false;
        }
        self.hear_out().await;
        true
    }

    async fn becomes_idle(&mut self) -> bool {
        let mut grace = self.worker.life.clock.sleep(IDLE_GRACE);
        let dead = self.worker.life.dead();
        while self.idle == Idle::No {
            tokio::select! {
                Some(message) = self.messages.recv() => self.note_late(message).await,
                () = dead.cancelled() => return false,
                () = &mut grace => return false,
            }
        }
        self.idle == Idle::Yes
    }

    /// Waits for the death of the worker, and kills it when it takes too long.
    async fn outlive(&mut self, grace: Duration, cause: &str) {
        let life = &self.worker.life;
        let dead = life.dead();
        let mut grace = Some(life.clock.sleep(grace));
        while !dead.is_cancelled() {
            tokio::select! {
                Some(message) = self.messages.recv() => self.note_late(message).await,
                () = dead.cancelled() => {}
                () = async { grace.as_mut().expect("asked for only while it is there").await }, if grace.is_some() => {
                    grace = None;
                    life.kill(cause);
                }
            }
        }
        while let Ok(message) = self.messages.try_recv() {
            self.note_late(message).await;
        }
    }

    /// Waits for the last of what child processes have printed. A model that has closed its standard streams is
    /// waited for in vain, but only once.
    async fn hear_out(&mut self) {
        let Some(Call { number, .. }) = self.call.filter(|_| self.worker.hears_children()) else { return };
        let mut grace = self.worker.life.clock.sleep(SAID_GRACE);
        while self.said.stdout < number || self.said.stderr < number {
            tokio::select! {
                Some(message) = self.messages.recv() => self.note_late(message).await,
                () = &mut grace => return self.worker.stop_hearing_children(),
            }
        }
    }

    /// Takes a message after the prediction has ended. Whether anybody still reads the logs does not matter any more.
    async fn note_late(&mut self, message: Message) {
        self.note(message);
        if self.log.len() > MAX_LOG && self.report_log().await.is_err() {
            self.log.clear();
        }
    }

    async fn conclude(mut self, verdict: Verdict) -> Result<End, Stopped> {
        self.report_log().await?;
        match verdict {
            Verdict::Done { predict_time, is_list } => {
                if let Some(fault) = self.fault {
                    return Ok(End::Failed(fault.to_string()));
                }
                if let Some(output) = self.outputs.finish(is_list) {
                    self.reporter.output(output).await?;
                }
                self.reporter.metric("predict_time", Json::number(predict_time)).await?;
                Ok(End::Succeeded)
            }
            Verdict::Failed(error) => {
                Ok(End::Failed(self.error.unwrap_or_else(|| model_error(&error).to_owned())))
            }
            Verdict::Cancelled => Ok(End::Failed("The model cancelled its prediction by itself.".to_owned())),
            Verdict::Gone => Ok(End::Failed(self.worker.life.death().await)),
        }
    }
}
