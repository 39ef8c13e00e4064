//! `cogwire webhooks`: what was sent, what came back, and why something was not sent.

mod attempt;
mod resend;
mod secret;
mod tail;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::{Client, TargetArgs};
use super::failure::{Failure, Outcome};
use super::id::id;
use super::output::{self, Cell, Style, Table};
use super::predictions::{first_of_pages, text, time};

/// Shows what was sent, what came back, and why something was not sent; sends again.
#[derive(Debug, Args)]
pub(super) struct WebhooksArgs {
    #[command(subcommand)]
    command: WebhooksCommand,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Subcommand)]
enum WebhooksCommand {
    /// List messages, newest first.
    Ls {
        /// Only those of one prediction, with an explanation of what was not sent.
        #[arg(long, value_name = "ID", value_parser = id)]
        prediction: Option<String>,
        /// Only those that stand so.
        #[arg(long)]
        state: Option<State>,
        /// How many.
        #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 20)]
        limit: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one message with its attempts.
    Show {
        /// The message's id: the webhook-id header.
        #[arg(value_name = "MSG", value_parser = id)]
        id: String,
        /// Show what was sent and what came back as well.
        #[arg(long, short)]
        verbose: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send messages again.
    Resend(resend::ResendArgs),
    /// Follow how predictions end and what becomes of their webhooks, until ^C.
    ///
    /// Only ends are shown (`completed`), and only of predictions and trainings with a webhook that is told of them.
    /// For messages about `start`, `output` and `logs`, see `ls`.
    Tail(tail::TailArgs),
    /// Print the secret that signs webhooks, or change it.
    Secret(secret::SecretArgs),
}

/// How a message stands.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Pending,
    Sending,
    Delivered,
    Failed,
    Exhausted,
    Interrupted,
}

/// Does what the subcommand says.
pub(super) async fn run(args: WebhooksArgs) -> Outcome {
    let (client, named) = (Client::new(&args.target)?, args.target.names_server());
    match args.command {
        WebhooksCommand::Ls { prediction: Some(id), state, json, .. } => {
            list_of_prediction(&client, &id, state, json).await
        }
        WebhooksCommand::Ls { prediction: None, state, limit, json } => {
            list(&client, state, limit, json).await
        }
        WebhooksCommand::Show { id, verbose, json } => show(&client, &id, verbose, json).await,
        WebhooksCommand::Resend(args) => resend::run(&client, &args).await,
        WebhooksCommand::Tail(args) => tail::run(&client, args).await,
        WebhooksCommand::Secret(args) => secret::run(&client, args, named).await,
    }
}

impl State {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

async fn list(client: &Client, state: Option<State>, limit: usize, json: bool) -> Outcome {
    let path = match state {
        Some(state) => format!("/deliveries?state={}", state.name()),
        None => "/deliveries".to_owned(),
    };
    let deliveries = first_of_pages(client, &path, limit).await?;
    if json {
        output::print_json(&Value::Array(deliveries))?;
    } else {
        output::print(table(&deliveries))?;
    }
    Ok(())
}

async fn list_of_prediction(client: &Client, id: &str, state: Option<State>, json: bool) -> Outcome {
    let Some(mut answer) = client.find(&format!("/predictions/{id}/deliveries")).await? else {
        let unknown = format!("there is no prediction {id}: `cogwire predictions ls` shows which there are");
        return Err(Failure::Failed(unknown));
    };
    if let (Some(state), Some(results)) = (state, answer["results"].as_array_mut()) {
        results.retain(|delivery| delivery["state"] == json!(state.name()));
    }
    if json {
        output::print_json(&answer)?;
        return Ok(());
    }
    let deliveries = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !deliveries.is_empty() {
        output::print(table(deliveries))?;
    }
    explanations(&answer).iter().try_for_each(output::print)?;
    Ok(())
}

/// What the server says about what was sent and what was not.
pub(super) fn explanations(answer: &Value) -> Vec<String> {
    let sentences = answer["explanation"].as_array().into_iter().flatten();
    sentences.map(|sentence| text(sentence).to_owned()).collect()
}

fn table(deliveries: &[Value]) -> Table {
    let mut table = Table::new(&["message", "event", "state", "attempts", "next attempt", "url"]);
    for delivery in deliveries {
        table.row(vec![
            Cell::plain(text(&delivery["id"])),
            Cell::plain(text(&delivery["event"])),
            Cell::state(text(&delivery["state"])),
            Cell::plain(delivery["attempts"].to_string()),
            Cell::plain(time(&delivery["next_attempt_at"])),
            Cell::plain(text(&delivery["url"])),
        ]);
    }
    table
}

async fn show(client: &Client, id: &str, verbose: bool, json: bool) -> Outcome {
    let Some(delivery) = client.find(&format!("/deliveries/{id}")).await? else {
        let unknown =
            format!("there is no message {id} (any more): `cogwire webhooks ls` shows which there are");
        return Err(Failure::Failed(unknown));
    };
    if json {
        output::print_json(&delivery)?;
        return Ok(());
    }
    let state = text(&delivery["state"]);
    output::print(format_args!("{}: {}", heading(&delivery), Style::of_state(state).paint(state)))?;
    for attempt in delivery["log"].as_array().into_iter().flatten() {
        output::print(attempt_line(attempt))?;
        attempt::timings(attempt).iter().try_for_each(output::print)?;
        if verbose {
            attempt::wire(attempt).iter().try_for_each(output::print)?;
        }
    }
    explanations(&delivery).iter().try_for_each(output::print)?;
    Ok(())
}

/// Which message goes where.
pub(super) fn heading(delivery: &Value) -> String {
    let (id, event, url) = (text(&delivery["id"]), text(&delivery["event"]), text(&delivery["url"]));
    Style::Strong.paint(format_args!("{id} {event} to {url}"))
}

/// An attempt in a line.
pub(super) fn attempt_line(attempt: &Value) -> String {
    let class = text(&attempt["class"]);
    let status = attempt["status"].as_u64().map(|status| format!(" [{status}]")).unwrap_or_default();
    let detail = attempt::detail(attempt);
    let started = time(&attempt["started_at"]);
    let number = &attempt["number"];
    let class = Style::of_state(if class == "delivered" { class } else { "failed" }).paint(class);
    format!("  {number}. {started} {class}{status} {detail}")
}
