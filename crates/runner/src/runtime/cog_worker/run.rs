//! One prediction in one slot.

mod cancel;
mod settle;

use std::io;

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
use super::protocol::{MetricMode, NoContext, Source, Task, Word};
use super::worker::{CogWorker, Slot};
use crate::Job;
use crate::event::{End, Produced};
use crate::reporter::{Reporter, Stopped};
use crate::runtime::wording::model_error;

/// The most bytes of logs that become one event.
const MAX_LOG: usize = 64 * 1024;

/// Inputs that are longer go through a file.
const MAX_INLINE: usize = 6 * 1024 * 1024;

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
                    Ok(None) => return Ok(Verdict::Gone),
                    Err(error) => return Ok(self.broken_off(&error)),
                },
            }
            // What is there already goes out in one piece.
            let more = self.slot.words.has_waiting() || !self.messages.is_empty();
            if !more || self.log.len() > MAX_LOG {
                self.report_log().await?;
            }
        }
    }

    /// A socket that breaks is as good as closed; one that brings something else was written to by the model.
    fn broken_off(&self, error: &io::Error) -> Verdict {
        if error.kind() == io::ErrorKind::InvalidData {
            self.worker.life.kill("The model process wrote to the socket that Cog's worker speaks on.");
        }
        Verdict::Gone
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
