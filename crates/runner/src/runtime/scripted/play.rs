//! Plays a scripted model.
//!
//! The steps act in their order, and within a step: `when` once, then `repeat` times: wait, log, metrics, output, end.

use std::time::Duration;

use cogwire_core::json::Json;
use serde_json::Value;

use super::amount::{REPEAT, WAIT};
use super::limits::MAX_HELD_ITEMS;
use super::model::{Condition, Ending, OutputKind, ScriptedModel, Step, StepOutput};
use super::template::{RenderError, Scope, Turn};
use crate::Job;
use crate::event::{End, Output, Produced};
use crate::reporter::{Reporter, Stopped};
use crate::runtime::process_died;

/// Plays the model once.
pub(crate) async fn play(model: &ScriptedModel, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
    let scope = Scope::new(&input_of(model, job), job.prediction.as_str());
    let mut player = Player { model, reporter, scope, held: Vec::new() };
    match player.play().await {
        Ok(()) => Ok(End::Succeeded),
        Err(Halt::Ended(end)) => Ok(end),
        Err(Halt::Stopped(stopped)) => Err(stopped),
    }
}

struct Player<'a> {
    model: &'a ScriptedModel,
    reporter: &'a Reporter,
    scope: Scope,
    /// Output that is reported when the run ends.
    held: Vec<Produced>,
}

/// Why no further step is played.
enum Halt {
    Stopped(Stopped),
    Ended(End),
}

impl Player<'_> {
    async fn play(&mut self) -> Result<(), Halt> {
        self.reporter.sleep(self.scaled(self.model.boot_ms)).await?;
        self.reporter.started().await?;
        for step in &self.model.steps {
            self.step(step).await?;
        }
        self.report_held().await
    }

    async fn step(&mut self, step: &Step) -> Result<(), Halt> {
        let templates = &self.model.templates;
        let acts = match &step.when {
            None => Ok(true),
            Some(Condition::Fixed(acts)) => Ok(*acts),
            Some(Condition::Expression(condition)) => templates.holds(condition, &self.scope),
        };
        if !acts.map_err(step.blame("when"))? {
            return Ok(());
        }
        let length = match &step.repeat {
            None => 1.0,
            Some(repeat) => repeat.evaluate(&REPEAT, templates, &self.scope).map_err(step.blame("repeat"))?,
        };
        // The bounds admit whole numbers up to a million only, which this conversion keeps.
        let length = length as u64;
        for index in 1..=length {
            self.turn(step, &self.scope.at(Turn { index, length })).await?;
        }
        Ok(())
    }

    async fn turn(&mut self, step: &Step, scope: &Scope) -> Result<(), Halt> {
        let templates = &self.model.templates;
        self.reporter.breathe().await?;
        if let Some(wait) = &step.wait {
            let wait = wait.evaluate(&WAIT, templates, scope).map_err(step.blame("wait_ms"))?;
            self.reporter.sleep(self.scaled(wait)).await?;
        }
        if let Some(log) = &step.log {
            self.reporter.log(log.render(templates, scope).map_err(step.blame("log"))?).await?;
        }
        for (name, value) in &step.metrics {
            let value = value.render(templates, scope).map_err(step.blame("metric"))?;
            self.reporter.metric(name, value).await?;
        }
        if let Some(output) = &step.output {
            let produced = match output {
                StepOutput::Value(value) => {
                    Produced::Json(value.render(templates, scope).map_err(step.blame("output"))?)
                }
                StepOutput::File(file) => Produced::File(file.clone()),
            };
            self.produce(produced).await?;
        }
        match &step.ending {
            None => Ok(()),
            Some(ending) => Err(self.end(step, ending, scope).await),
        }
    }

    async fn produce(&mut self, produced: Produced) -> Result<(), Halt> {
        match self.model.output {
            OutputKind::Iterator | OutputKind::Concatenate => {
                self.reporter.output(Output::Item(produced)).await?;
            }
            OutputKind::Value => self.held = vec![produced],
            OutputKind::List if self.held.len() < MAX_HELD_ITEMS => self.held.push(produced),
            OutputKind::List => {
                let message = format!("script error: the list has more than {MAX_HELD_ITEMS} items");
                return Err(Halt::Ended(End::Failed(message)));
            }
        }
        Ok(())
    }

    async fn end(&self, step: &Step, ending: &Ending, scope: &Scope) -> Halt {
        match ending {
            Ending::Crash(status) => Halt::Ended(process_died(*status)),
            Ending::Hang => Halt::Stopped(self.reporter.stopped().await),
            Ending::Fail(message) => match message.render(&self.model.templates, scope) {
                Ok(message) => Halt::Ended(End::Failed(message)),
                Err(error) => step.blame("fail")(error),
            },
        }
    }

    async fn report_held(&mut self) -> Result<(), Halt> {
        let held = std::mem::take(&mut self.held);
        if self.model.output == OutputKind::List && held.is_empty() {
            let empty = Json::from_value(&Value::Array(Vec::new()));
            self.reporter.output(Output::Value(Produced::Json(empty))).await?;
        }
        for produced in held {
            let output = match self.model.output {
                OutputKind::Value => Output::Value(produced),
                _ => Output::Item(produced),
            };
            self.reporter.output(output).await?;
        }
        Ok(())
    }

    fn scaled(&self, milliseconds: f64) -> Duration {
        // Both factors are bounded when the script is loaded or evaluated, so their product is a duration.
        Duration::try_from_secs_f64(milliseconds / 1000.0 * self.model.time_scale).unwrap_or(Duration::MAX)
    }
}

impl Step {
    /// Turns what a template complained about into the end of the run.
    fn blame(&self, key: &'static str) -> impl FnOnce(RenderError) -> Halt {
        let number = self.number;
        move |RenderError(reason)| {
            Halt::Ended(End::Failed(format!("script error in step {number}, {key}: {reason}")))
        }
    }
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

fn input_of(model: &ScriptedModel, job: &Job) -> Value {
    let mut input = job.input.to_value();
    if let Some(given) = input.as_object_mut() {
        for (name, default) in &model.defaults {
            given.entry(name).or_insert_with(|| default.clone());
        }
    }
    input
}
