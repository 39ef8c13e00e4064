//! A scripted model, ready to be played.

use cogwire_core::text_enum;
use serde_json::Value;

use super::amount::Amount;
use super::pattern::{Pattern, Text};
use super::template::{Expression, Templates};
use crate::event::ProducedFile;

/// A model that does what a script says. It has no state: any number of runs may share it.
#[derive(Debug)]
pub(crate) struct ScriptedModel {
    pub(super) templates: Templates,
    pub(super) output: OutputKind,
    /// What every wait is multiplied by.
    pub(super) time_scale: f64,
    /// How long it takes until a run begins, in milliseconds before scaling.
    pub(super) boot_ms: f64,
    /// What an input is when the prediction does not give it.
    pub(super) defaults: Vec<(String, Value)>,
    pub(super) steps: Vec<Step>,
}

text_enum! {
    /// How the outputs of the steps make the output of the prediction.
    OutputKind {
        /// The last one is it.
        Value = "value",
        /// They are a list, which arrives when the run ends.
        List = "list",
        /// They are a list, which arrives item by item.
        Iterator = "iterator",
        /// They are pieces of one text, which arrive one by one.
        Concatenate = "concatenate",
    }
}

/// One step. The order of the fields is the order in which they act.
#[derive(Debug)]
pub(super) struct Step {
    /// From 1, for messages.
    pub(super) number: usize,
    pub(super) when: Option<Condition>,
    pub(super) repeat: Option<Amount>,
    pub(super) wait: Option<Amount>,
    pub(super) log: Option<Text>,
    pub(super) metrics: Vec<(String, Pattern)>,
    pub(super) output: Option<StepOutput>,
    pub(super) ending: Option<Ending>,
}

/// Whether a step acts.
#[derive(Debug)]
pub(super) enum Condition {
    Fixed(bool),
    Expression(Expression),
}

/// What a step produces.
#[derive(Debug)]
pub(super) enum StepOutput {
    Value(Pattern),
    File(ProducedFile),
}

/// How a step ends the run.
#[derive(Debug)]
pub(super) enum Ending {
    Fail(Text),
    /// As if the process had died with this exit status.
    Crash(u8),
    Hang,
}
