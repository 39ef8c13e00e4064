//! Waiting for the end of a prediction. ^C cancels it.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use sse_stream::{Sse, SseByteStream};

use super::display::Display;
use crate::cli::client::Client;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output;

/// The first pause between two questions to the server; the next ones are twice as long each.
const FIRST_PAUSE: Duration = Duration::from_millis(15);
/// The longest pause. A prediction that has not begun by then makes people wonder what it waits for.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Waits for the end, shows how far the prediction is, and gives the ended one.
pub(super) async fn until_end(client: &Client, created: Value) -> Outcome<Value> {
    let id = id_of(&created);
    or_cancel(client, &id, watch(client, created)).await
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
        let mut next = first_of(&mut events, watch(client, created.clone())).await;
        while let Some(event) = next {
            let event = event.map_err(|error| Failure::of("the stream broke off", &error))?;
            if print_event(&event)? == Heard::All {
                break;
            }
            next = events.next().await;
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
enum Heard {
    Some,
    All,
}

fn print_event(event: &Sse) -> Outcome<Heard> {
    let data = event.data.as_deref().unwrap_or_default();
    match event.event.as_deref() {
        Some("output") => output::print_piece(data)?,
        Some("done") => return Ok(Heard::All),
        _ => {}
    }
    Ok(Heard::Some)
}

/// The first event. Until it comes, the prediction is watched; whatever ends that, the stream says what is next.
async fn first_of<S: Stream + Unpin>(events: &mut S, watched: impl Future) -> Option<S::Item> {
    let mut first = pin!(events.next());
    tokio::select! {
        event = &mut first => event,
        _ = watched => first.await,
    }
}

/// Shows how far the prediction is until it has ended.
async fn watch(client: &Client, created: Value) -> Outcome<Value> {
    let id = id_of(&created);
    let (mut prediction, mut pause) = (created, FIRST_PAUSE);
    let mut display = Display::new();
    while !is_terminal(&prediction) {
        let wonders = pause == LONGEST_PAUSE && prediction["status"] == "starting";
        let waits_for = if wonders { waits_for(client, &id).await } else { None };
        display.show(&prediction, waits_for.as_ref());
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        prediction = client.get(&format!("/predictions/{id}")).await?;
    }
    Ok(prediction)
}

/// What a prediction waits for. `None` when it has begun meanwhile, and when the server does not say.
async fn waits_for(client: &Client, id: &str) -> Option<Value> {
    let progress = client.get(&format!("/predictions/{id}/progress")).await.ok()?;
    matches!(progress["phase"].as_str(), Some("queued" | "booting")).then_some(progress)
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

fn id_of(prediction: &Value) -> String {
    prediction["id"].as_str().unwrap_or_default().to_owned()
}
