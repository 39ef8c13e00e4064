//! `cogwire webhooks tail`: how predictions and trainings end, and what becomes of the webhooks that say so, as it happens.

use std::collections::VecDeque;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::attempt;
use crate::cli::client::{Client, Heard};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{self, Style};
use crate::cli::predictions::{text, time};

/// How long the server may hold its answer back, in seconds: while nothing is under way, and while something is.
const WAITS: [u64; 2] = [30, 1];
/// What most messages need from their event to their first answer.
const SETTLING: Duration = Duration::from_millis(200);
/// The pause before a server that is away is asked again.
const AWAY: Duration = Duration::from_secs(1);
/// The most messages that are followed until they are settled. What becomes of older ones is not shown.
const FOLLOWED: usize = 1000;
/// How many of them are looked at in a row.
const AT_ONCE: usize = 50;

/// What `tail` takes.
#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// Begin there: now, or a cursor that an earlier tail or GET /events has told.
    #[arg(long, value_name = "CURSOR", default_value = "now")]
    since: String,
    /// Print an object of JSON each line.
    #[arg(long)]
    json: bool,
}

/// Follows until ^C.
pub(super) async fn run(client: &Client, args: TailArgs) -> Outcome {
    let mut tail = Tail::new(client, args);
    let ended = tokio::select! {
        ended = tail.follow() => ended,
        signal = tokio::signal::ctrl_c() => signal.map_err(|error| Failure::of("cannot wait for ^C", &error)),
    };
    if ended.is_ok() {
        output::say(format_args!("To go on from here: cogwire webhooks tail --since {}", tail.cursor));
    }
    ended
}

/// How far the events were read, and the messages that are under way.
struct Tail<'a> {
    client: &'a Client,
    json: bool,
    cursor: String,
    away: bool,
    under_way: VecDeque<Message>,
}

/// A message that is not settled, or was not when it was last looked at.
struct Message {
    id: String,
    kind: String,
    cursor: String,
    /// Its state and number of attempts, as they were printed last.
    shown: Option<(Value, Value)>,
}

impl<'a> Tail<'a> {
    fn new(client: &'a Client, args: TailArgs) -> Self {
        Self { client, json: args.json, cursor: args.since, away: false, under_way: VecDeque::new() }
    }

    async fn follow(&mut self) -> Outcome {
        // A server that is not there at all, or refuses the cursor, is told at once.
        let first = self.client.get(&self.events(0)).await?;
        self.take(first).await?;
        loop {
            let wait = WAITS[usize::from(!self.under_way.is_empty())];
            if let Heard::Answer(page) = self.ask(&self.events(wait)).await? {
                self.take(page).await?;
            }
        }
    }

    fn events(&self, wait: u64) -> String {
        format!("/events?after={}&wait={wait}", self.cursor)
    }

    /// Takes in a page of events, and looks at what is under way.
    async fn take(&mut self, mut page: Value) -> Outcome {
        let events = match page["results"].take() {
            Value::Array(events) => events,
            _ => Vec::new(),
        };
        if !events.is_empty() {
            tokio::time::sleep(SETTLING).await;
        }
        self.under_way.extend(events.iter().map(Message::new));
        let too_many = self.under_way.len().saturating_sub(FOLLOWED);
        self.under_way.drain(..too_many);
        if page["gap"] == json!(true) {
            let warning = Style::Warning.paint("warning:");
            output::say(format_args!("{warning} events from before are missing: they are not kept any more"));
        }
        if let Some(next) = page["next"].as_str() {
            next.clone_into(&mut self.cursor);
        }
        self.look(events.len().max(AT_ONCE)).await
    }

    /// Looks at some of the messages, the others next time.
    async fn look(&mut self, most: usize) -> Outcome {
        for _ in 0..most.min(self.under_way.len()) {
            let Some(mut message) = self.under_way.pop_front() else { break };
            match self.ask(&format!("/deliveries/{}", message.id)).await? {
                Heard::Answer(delivery) => {
                    self.show(&mut message, &delivery)?;
                    if matches!(text(&delivery["state"]), "pending" | "sending") {
                        self.under_way.push_back(message);
                    }
                }
                Heard::NotFound => {}
                Heard::Away => self.under_way.push_back(message),
            }
        }
        Ok(())
    }

    fn show(&self, message: &mut Message, delivery: &Value) -> Outcome {
        let now = (delivery["state"].clone(), delivery["attempts"].clone());
        if message.shown.as_ref() == Some(&now) {
            return Ok(());
        }
        message.shown = Some(now);
        if self.json {
            let line = json!({"cursor": message.cursor, "delivery": delivery, "type": message.kind});
            output::print(line)?;
        } else {
            output::print(line(&message.kind, delivery))?;
        }
        Ok(())
    }

    /// Asks a server that may be away for a while, and says so once.
    async fn ask(&mut self, path: &str) -> Outcome<Heard> {
        let heard = self.client.ask(path).await?;
        let away = matches!(heard, Heard::Away);
        if away != self.away {
            let (base, away_now) = (self.client.base(), Style::Warning.paint("away"));
            match away {
                true => output::say(format_args!("{base} is {away_now}: asking again until it answers.")),
                false => output::say(format_args!("{base} answers again.")),
            }
        }
        self.away = away;
        if away {
            tokio::time::sleep(AWAY).await;
        }
        Ok(heard)
    }
}

impl Message {
    fn new(event: &Value) -> Self {
        let owned = |name: &str| text(&event[name]).to_owned();
        Self { id: owned("webhook_id"), kind: owned("type"), cursor: owned("cursor"), shown: None }
    }
}

fn line(kind: &str, delivery: &Value) -> String {
    let state = text(&delivery["state"]);
    let attempts = match delivery["attempts"].as_u64() {
        Some(1) => "1 attempt".to_owned(),
        attempts => format!("{} attempts", attempts.unwrap_or_default()),
    };
    let created = Style::Dim.paint(time(&delivery["created_at"]));
    let state = Style::of_state(state).paint(format_args!("{state:<9}"));
    let line = format!("{created}  {kind:<20}  {}  {state}  {attempts}", text(&delivery["id"]));
    match failure(delivery) {
        Some(detail) => format!("{line}: {detail}"),
        None => line,
    }
}

/// What the newest attempt says, unless it succeeded.
fn failure(delivery: &Value) -> Option<String> {
    let newest = delivery["log"].as_array()?.last()?;
    (newest["class"] != "delivered").then(|| attempt::detail(newest))
}
