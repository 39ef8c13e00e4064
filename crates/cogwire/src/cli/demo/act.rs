//! One prediction of the demo, and what must be said about it.

use std::time::Duration;

use cogwire_core::time::{Clock, Timestamp};
use serde_json::{Value, json};

use super::receiver::Arrival;
use super::stage::Stage;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{self, Style};

/// How long a webhook may take. Nothing in the demo takes a third of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The number of characters of a text that are shown.
const SHOWN: usize = 46;

/// A prediction to run.
pub(super) struct Act {
    /// What it shows.
    pub(super) title: &'static str,
    /// `owner/name`.
    pub(super) model: &'static str,
    /// Its input.
    pub(super) input: Value,
    /// The events to send; each must come.
    pub(super) events: Vec<&'static str>,
    /// The status at the end.
    pub(super) ends: &'static str,
}

impl Act {
    /// Runs the prediction, prints its webhooks as they arrive, and gives their number.
    pub(super) async fn play(&self, stage: &Stage, clock: &dyn Clock) -> Outcome<usize> {
        let begun = clock.now();
        let created = stage.create(self.model, &self.body(stage)).await?;
        let mut arrivals = stage.receiver.arrivals.lock().await;
        let mut seen: Vec<Arrival> = Vec::new();
        while seen.last().is_none_or(|arrival| arrival.event != "completed") {
            let next = tokio::time::timeout(PATIENCE, arrivals.recv()).await.ok().flatten();
            let arrival = next.ok_or_else(|| Failure::Failed(self.missing(&seen)))?;
            output::print(describe(&arrival, begun))?;
            check(&arrival, seen.len(), &created)?;
            seen.push(arrival);
        }
        self.check_all(&seen)?;
        Ok(seen.len())
    }

    fn body(&self, stage: &Stage) -> Value {
        json!({"input": self.input, "webhook": stage.receiver.url, "webhook_events_filter": self.events})
    }

    fn missing(&self, seen: &[Arrival]) -> String {
        let events: Vec<&str> = seen.iter().map(|arrival| arrival.event.as_str()).collect();
        format!("no webhook came for {} s, after {events:?} of {}", PATIENCE.as_secs(), self.model)
    }

    fn check_all(&self, seen: &[Arrival]) -> Outcome {
        let absent = self.events.iter().find(|event| seen.iter().all(|arrival| arrival.event != **event));
        if let Some(event) = absent {
            return Err(Failure::Failed(format!("no {event} webhook came for {}", self.model)));
        }
        let last = seen.last().map(|arrival| &arrival.prediction["status"]);
        if last != Some(&json!(self.ends)) {
            return Err(Failure::Failed(format!(
                "{} should have {}, and {last:?} was sent",
                self.model, self.ends
            )));
        }
        Ok(())
    }
}

/// Signed, about the right prediction, and the next in sequence.
fn check(arrival: &Arrival, before: usize, created: &Value) -> Outcome {
    if let Some(problem) = &arrival.problem {
        return Err(Failure::Failed(format!("the signature of a webhook does not fit: {problem}")));
    }
    if arrival.prediction["id"] != created["id"] {
        return Err(Failure::Failed("a webhook came about another prediction".to_owned()));
    }
    if arrival.sequence as usize != before + 1 {
        return Err(Failure::Failed(format!(
            "webhook number {} came after {before} others",
            arrival.sequence
        )));
    }
    Ok(())
}

fn describe(arrival: &Arrival, begun: Timestamp) -> String {
    let offset = arrival.at.since(begun).as_secs_f64();
    let status = arrival.prediction["status"].as_str().unwrap_or_default();
    let verified = match &arrival.problem {
        None => Style::Good.paint("signature verified"),
        Some(_) => Style::Bad.paint("signature wrong"),
    };
    let offset = Style::Dim.paint(format_args!("+{offset:.3} s"));
    let status = Style::of_state(status).paint(format_args!("{status:<10}"));
    let line = format!("  {offset}  {:<9}  #{}  {status}  {verified}", arrival.event, arrival.sequence);
    match content(arrival) {
        content if content.is_empty() => line,
        content => format!("{line}  {}", Style::Dim.paint(content)),
    }
}

/// The newest part of what the event is about.
fn content(arrival: &Arrival) -> String {
    let prediction = &arrival.prediction;
    let text = match arrival.event.as_str() {
        "start" => String::new(),
        "logs" => prediction["logs"].as_str().unwrap_or_default().trim_end().to_owned(),
        _ => match (&prediction["error"], &prediction["output"]) {
            (Value::String(error), _) => error.clone(),
            (_, Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            (_, Value::String(output)) => output.clone(),
            _ => String::new(),
        },
    };
    tail(&text.replace('\n', " "))
}

fn tail(text: &str) -> String {
    let length = text.chars().count();
    if length <= SHOWN {
        return text.to_owned();
    }
    let end: String = text.chars().skip(length - SHOWN).collect();
    format!("…{end}")
}
