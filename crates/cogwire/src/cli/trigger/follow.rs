//! Watching a prediction's first webhook, attempt by attempt.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output;
use crate::cli::predictions::text;
use crate::cli::run::is_terminal;
use crate::cli::webhooks::{attempt_line, explanations, heading};

/// The pause between two looks.
const POLL: Duration = Duration::from_millis(100);

/// What a server that is gone at once says of a webhook that it gave up, instead of how it is sent again.
const NOT_KEPT: &str =
    "Given up: the schedule has no more attempts. It goes with the server of this command.";

/// Waits until the first webhook of a prediction is delivered or given up, prints its attempts as they end, and fails when
/// it was not delivered. As JSON it is printed once, at the end. `kept` tells whether the server stays afterwards.
pub(super) async fn first_message(client: &Client, created: &Value, json: bool, kept: bool) -> Outcome {
    let id = appears(client, text(&created["id"])).await?;
    let mut shown = Shown { quiet: json, ..Shown::default() };
    let settled = loop {
        let message = as_it_stays(client.get(&format!("/deliveries/{id}")).await?, kept);
        shown.update(&message)?;
        if is_settled(&message) {
            break message;
        }
        tokio::time::sleep(POLL).await;
    };
    if json {
        output::print_json(&settled)?;
    }
    if settled["state"] == "delivered" { Ok(()) } else { Err(Failure::Told) }
}

/// The id of the first message, when there is one.
async fn appears(client: &Client, prediction: &str) -> Outcome<String> {
    loop {
        // In this order: what an ended prediction does not owe and has not sent will not come any more.
        let now = client.get(&format!("/predictions/{prediction}")).await?;
        let messages = client.get(&format!("/predictions/{prediction}/deliveries")).await?;
        if let Some(id) = messages["results"][0]["id"].as_str() {
            return Ok(id.to_owned());
        }
        if is_terminal(&now) && messages["owed"] == json!([]) {
            return Err(Failure::Failed(nothing_came(&now)));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn nothing_came(prediction: &Value) -> String {
    let filter = prediction["webhook_events_filter"][0].as_str().unwrap_or("such");
    let (id, status) = (text(&prediction["id"]), text(&prediction["status"]));
    let error = prediction["error"].as_str().map(|error| format!(" ({error})")).unwrap_or_default();
    format!("prediction {id} {status}{error} and gave no {filter} event: nothing was sent")
}

/// The message, without the offer of a server that does not stay.
fn as_it_stays(mut message: Value, kept: bool) -> Value {
    if !kept && message["state"] == "exhausted" {
        message["explanation"] = json!([NOT_KEPT]);
    }
    message
}

fn is_settled(message: &Value) -> bool {
    !matches!(message["state"].as_str(), Some("pending" | "sending"))
}

/// What was printed of a message so far.
#[derive(Debug, Default)]
struct Shown {
    quiet: bool,
    begun: bool,
    attempts: usize,
    explanation: Vec<String>,
}

impl Shown {
    fn update(&mut self, message: &Value) -> Outcome {
        if self.quiet {
            return Ok(());
        }
        if !self.begun {
            output::print(heading(message))?;
            self.begun = true;
        }
        let attempts = message["log"].as_array().map(Vec::as_slice).unwrap_or_default();
        for attempt in attempts.iter().skip(self.attempts) {
            output::print(attempt_line(attempt))?;
        }
        self.attempts = attempts.len();
        self.explain(message)
    }

    /// Says once how it stands: at the end, and when it waits to be sent again.
    fn explain(&mut self, message: &Value) -> Outcome {
        let waits = message["state"] == "pending" && self.attempts > 0;
        let explanation = explanations(message);
        if !(waits || is_settled(message)) || explanation == self.explanation {
            return Ok(());
        }
        if waits {
            explanation.iter().for_each(output::say);
        } else {
            explanation.iter().try_for_each(output::print)?;
        }
        self.explanation = explanation;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_goes_offers_nothing() {
        let exhausted = json!({"state": "exhausted", "explanation": ["It is kept."]});
        assert_eq!(as_it_stays(exhausted.clone(), true), exhausted);
        assert_eq!(explanations(&as_it_stays(exhausted, false)), [NOT_KEPT]);
        let taken = json!({"state": "delivered", "explanation": ["The receiver took it."]});
        assert_eq!(as_it_stays(taken.clone(), false), taken);
    }
}
