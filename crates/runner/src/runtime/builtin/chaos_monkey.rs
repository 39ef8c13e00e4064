//! `zeke/chaos-monkey`: sleeps as long as it is told, and ends as it is told.
//!
//! Replicate publishes only the outcome `success`; the others are ours.

use std::time::Duration;

use cogwire_core::json::Json;
use cogwire_core::text_enum;
use serde_json::{Map, Value, json};

use super::Facts;
use crate::event::{End, Output, Produced};
use crate::reporter::{Reporter, Stopped};
use crate::runtime::process_died;
use crate::schema;

/// The longest sleep that can be asked for, in seconds.
const MAX_SLEEP: f64 = 300.0;

/// A line of log is written after each of these while it sleeps.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// The exit status that the outcome `crash` reports: a process killed for its memory, as most crashes of models are.
const CRASH_STATUS: u8 = 137;

pub(super) const FACTS: Facts = Facts {
    name: "zeke/chaos-monkey",
    versions: &["0098011f5f482d1fcdbbba44ef1d6d22858e439a103b6ebb449ef9dec623a71e"],
    description: "Sleeps, then succeeds, fails, crashes or hangs, as you ask",
};

text_enum! {
    /// How the run should end.
    Outcome {
        /// With an output.
        Success = "success",
        /// With an error that the model reports.
        Failure = "failure",
        /// As if the model's process had died.
        Crash = "crash",
        /// Not at all, until it is cancelled.
        Hang = "hang",
    }
}

pub(super) fn schema() -> Json {
    let sleep = json!({"type": "number", "title": "Sleep", "x-order": 0, "default": 0, "minimum": 0,
        "maximum": MAX_SLEEP, "description": "How long to sleep before the outcome, in seconds"});
    let outcome = json!({"allOf": [schema::reference("outcome")], "default": "success", "x-order": 1,
        "description": "The type of outcome to simulate"});
    let input =
        json!({"type": "object", "title": "Input", "properties": {"sleep": sleep, "outcome": outcome}});
    let output = json!({"title": "Output", "allOf": [schema::reference("ChaosResult")]});
    schema::document(&input, &output, components())
}

pub(super) async fn run(input: &Value, reporter: &Reporter) -> Result<End, Stopped> {
    let seconds = input["sleep"].as_f64().unwrap_or_default().clamp(0.0, MAX_SLEEP);
    let outcome = input["outcome"].as_str().and_then(|name| name.parse().ok()).unwrap_or(Outcome::Success);
    reporter.started().await?;
    reporter.log(format!("Sleeping for {seconds} s, then: {outcome}.\n")).await?;
    sleep(Duration::from_secs_f64(seconds), reporter).await?;
    match outcome {
        Outcome::Success => {
            let result = json!({"result": {"outcome": outcome.as_str(), "slept": seconds}});
            reporter.output(Output::Value(Produced::Json(Json::from_value(&result)))).await?;
            Ok(End::Succeeded)
        }
        Outcome::Failure => Ok(End::Failed("The chaos monkey failed, as it was asked to.".to_owned())),
        Outcome::Crash => Ok(process_died(CRASH_STATUS)),
        Outcome::Hang => {
            reporter.log("Hanging until somebody cancels.\n").await?;
            Err(reporter.stopped().await)
        }
    }
}

async fn sleep(total: Duration, reporter: &Reporter) -> Result<(), Stopped> {
    let mut slept = Duration::ZERO;
    while slept < total {
        let nap = LOG_EVERY.min(total - slept);
        reporter.sleep(nap).await?;
        slept += nap;
        reporter.log(format!("Slept {} s of {} s.\n", slept.as_secs_f64(), total.as_secs_f64())).await?;
    }
    Ok(())
}

fn components() -> Map<String, Value> {
    let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Crash, Outcome::Hang].map(Outcome::as_str);
    let outcome = json!({"type": "string", "title": "outcome", "description": "An enumeration.",
        "enum": outcomes});
    let result = json!({"type": "object", "title": "ChaosResult", "required": ["result"],
        "properties": {"result": {"type": "object", "title": "Result"}}});
    Map::from_iter([("outcome".to_owned(), outcome), ("ChaosResult".to_owned(), result)])
}
