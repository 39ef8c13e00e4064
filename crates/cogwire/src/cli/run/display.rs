//! How far a prediction is, on stderr: a spinner on a terminal, else a line for each thing that it waits for.

use indicatif::ProgressBar;
use serde_json::Value;

use crate::cli::output;

/// Shows how far one prediction is. The spinner is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Display {
    spinner: ProgressBar,
    /// The phase of which a line was printed last.
    phase: Option<String>,
}

impl Display {
    pub(super) fn new() -> Self {
        Self { spinner: output::spinner(), phase: None }
    }

    /// The prediction, and what it waits for if that is known.
    pub(super) fn show(&mut self, prediction: &Value, waits_for: Option<&Value>) {
        let Some(waits_for) = waits_for else { return self.spinner.set_message(state(prediction)) };
        let detail = waits_for["detail"].as_str().unwrap_or_default();
        self.spinner.set_message(detail.to_owned());
        if self.spinner.is_hidden() {
            self.say_once(waits_for["phase"].as_str().unwrap_or_default(), detail);
        }
    }

    fn say_once(&mut self, phase: &str, detail: &str) {
        if self.phase.as_deref() != Some(phase) {
            output::say(detail);
            self.phase = Some(phase.to_owned());
        }
    }
}

fn state(prediction: &Value) -> String {
    let status = prediction["status"].as_str().unwrap_or_default();
    let last_log = prediction["logs"].as_str().and_then(|logs| logs.lines().last()).unwrap_or_default();
    format!("{status} {last_log}")
}
