//! Waiting for the end of a prediction. ^C cancels it.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sse_stream::{Sse, SseByteStream};

use crate::cli::client::Client;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output;

/// The first pause between two questions to the server; the next ones are twice as long each.
const FIRST_PAUSE: Duration = Duration::from_millis(15);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// Waits for the end, with a spinner on a terminal, and gives the ended prediction.
pub(super) async fn until_end(client: &Client, created: Value) -> Outcome<Value> {
    let id = id_of(&created);
    let spinner = spinner();
    let poll = async {
        let (mut prediction, mut pause) = (created, FIRST_PAUSE);
        while !is_terminal(&prediction) {
            spinner.set_message(progress(&prediction));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            prediction = client.get(&format!("/predictions/{id}")).await?;
        }
        Ok(prediction)
    };
    let ended = or_cancel(client, &id, poll).await;
    spinner.finish_and_clear();
    ended
}

/// Prints the output as it comes, and gives the ended prediction.
pub(super) async fn stream(client: &Client, created: Value) -> Outcome<Value> {
    let id = id_of(&created);
    let Some(url) = created.pointer("/urls/stream").and_then(Value::as_str) else {
        output::say("This model does not stream: its output comes at the end.");
        let ended = until_end(client, created).await?;
        super::show::output(&ended["output"], None)?;
        return Ok(ended);
    };
    let printed = async {
        let body = client.open(url, "text/event-stream").await?.bytes_stream();
        let mut events = SseByteStream::new(body);
        while let Some(event) = events.next().await {
            let event = event.map_err(|error| Failure::of("the stream broke off", &error))?;
            if print_event(&event)? == Stream::Over {
                break;
            }
        }
        output::print_piece("\n")?;
        Ok(())
    };
    or_cancel(client, &id, printed).await?;
    // The end of the stream may arrive before the end of the prediction is read elsewhere.
    let prediction = client.get(&format!("/predictions/{id}")).await?;
    until_end(client, prediction).await
}

/// Whether the prediction has ended.
pub(in crate::cli) fn is_terminal(prediction: &Value) -> bool {
    !matches!(prediction["status"].as_str(), Some("starting" | "processing"))
}

#[derive(Debug, PartialEq, Eq)]
enum Stream {
    On,
    Over,
}

fn print_event(event: &Sse) -> Outcome<Stream> {
    let data = event.data.as_deref().unwrap_or_default();
    match event.event.as_deref() {
        Some("output") => output::print_piece(data)?,
        Some("done") => return Ok(Stream::Over),
        _ => {}
    }
    Ok(Stream::On)
}

/// Does the work, unless ^C is pressed: then the prediction is canceled.
async fn or_cancel<T>(client: &Client, id: &str, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => {
            client.post(&format!("/predictions/{id}/cancel"), &json!({})).await?;
            output::say(format_args!("Canceled prediction {id}."));
            Err(Failure::Interrupted)
        }
    }
}

/// A spinner that shows itself on a terminal only.
fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    spinner.set_style(
        ProgressStyle::with_template("{spinner} {elapsed:>3} {wide_msg}")
            .expect("the template is a constant"),
    );
    spinner.enable_steady_tick(TICK);
    spinner
}

fn progress(prediction: &Value) -> String {
    let status = prediction["status"].as_str().unwrap_or_default();
    let last_log = prediction["logs"].as_str().and_then(|logs| logs.lines().last()).unwrap_or_default();
    format!("{status} {last_log}")
}

fn id_of(prediction: &Value) -> String {
    prediction["id"].as_str().unwrap_or_default().to_owned()
}
