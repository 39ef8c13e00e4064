//! `cogwire predictions`: what was run, and how it went.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, TargetArgs};
use super::failure::Outcome;
use super::id::id;
use super::output::{self, Cell, Style, Table};
use super::run::is_terminal;

/// How often logs that are followed are asked for.
const POLL: Duration = Duration::from_millis(300);

/// Lists, shows and cancels predictions.
#[derive(Debug, Args)]
pub(super) struct PredictionsArgs {
    #[command(subcommand)]
    command: PredictionsCommand,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Subcommand)]
enum PredictionsCommand {
    /// List predictions, newest first.
    Ls {
        /// How many.
        #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 20)]
        limit: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one prediction.
    Show {
        /// The prediction's id.
        #[arg(value_parser = id)]
        id: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Cancel predictions.
    Cancel {
        /// Their ids.
        #[arg(required = true, value_parser = id)]
        ids: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the logs of one prediction.
    Logs {
        /// The prediction's id.
        #[arg(value_parser = id)]
        id: String,
        /// Keep printing until the prediction has ended.
        #[arg(long, short)]
        follow: bool,
    },
}

/// Does what the subcommand says.
pub(super) async fn run(args: PredictionsArgs) -> Outcome {
    let client = Client::new(&args.target)?;
    match args.command {
        PredictionsCommand::Ls { limit, json } => list(&client, limit, json).await,
        PredictionsCommand::Show { id, json } => show(&client, &id, json).await,
        PredictionsCommand::Cancel { ids, json } => cancel(&client, &ids, json).await,
        PredictionsCommand::Logs { id, follow } => logs(&client, &id, follow).await,
    }
}

async fn list(client: &Client, limit: usize, json: bool) -> Outcome {
    let predictions = first_of_pages(client, "/predictions", limit).await?;
    if json {
        output::print_json(&Value::Array(predictions))?;
        return Ok(());
    }
    let mut table = Table::new(&["id", "model", "status", "created", "time"]);
    for prediction in &predictions {
        table.row(vec![
            Cell::plain(text(&prediction["id"])),
            Cell::plain(text(&prediction["model"])),
            Cell::state(text(&prediction["status"])),
            Cell::plain(time(&prediction["created_at"])),
            Cell::plain(seconds(&prediction["metrics"]["predict_time"])),
        ]);
    }
    output::print(table)?;
    Ok(())
}

/// The first items of a list, over as many pages as it takes.
pub(super) async fn first_of_pages(client: &Client, path: &str, limit: usize) -> Outcome<Vec<Value>> {
    let mut items = Vec::new();
    let mut page = client.get(path).await?;
    loop {
        if let Value::Array(results) = page["results"].take() {
            items.extend(results);
        }
        let query =
            page["next"].as_str().and_then(|next| next.split_once('?')).map(|(_, query)| query.to_owned());
        let Some(query) = query.filter(|_| items.len() < limit) else { break };
        let bare = path.split('?').next().unwrap_or(path);
        page = client.get(&format!("{bare}?{query}")).await?;
    }
    items.truncate(limit);
    Ok(items)
}

async fn show(client: &Client, id: &str, json: bool) -> Outcome {
    let prediction = client.look(&format!("/predictions/{id}")).await?;
    if json {
        output::print_json(&prediction)?;
        return Ok(());
    }
    let status = text(&prediction["status"]);
    print_line("id", text(&prediction["id"]))?;
    print_line("model", text(&prediction["model"]))?;
    print_line("version", text(&prediction["version"]))?;
    print_line("status", &Style::of_state(status).paint(status))?;
    for key in ["error", "created_at", "started_at", "completed_at", "webhook"] {
        print_line(key, text(&prediction[key]))?;
    }
    print_line("input", &prediction["input"].to_string())?;
    print_line("output", &prediction["output"].to_string())?;
    print_line("metrics", &prediction["metrics"].to_string())?;
    print_line("page", text(&prediction["urls"]["web"]))?;
    if prediction["data_removed"] == json!(true) {
        output::say("Its input, output and logs were removed, as --retention says.");
    }
    Ok(())
}

fn print_line(name: &str, value: &str) -> Outcome {
    const COLUMN: usize = 14;
    if !value.is_empty() && value != "null" {
        output::print(format_args!("{}{value}", Style::Dim.paint(format_args!("{name:<COLUMN$}"))))?;
    }
    Ok(())
}

async fn cancel(client: &Client, ids: &[String], json: bool) -> Outcome {
    for id in ids {
        let prediction = client.post(&format!("/predictions/{id}/cancel"), &json!({})).await?;
        if json {
            output::print_json(&prediction)?;
        } else {
            output::print(format_args!("{id} {}", text(&prediction["status"])))?;
        }
    }
    Ok(())
}

async fn logs(client: &Client, id: &str, follow: bool) -> Outcome {
    let mut printed = 0;
    loop {
        let prediction = client.get(&format!("/predictions/{id}")).await?;
        let new = text(&prediction["logs"]).get(printed..).unwrap_or_default();
        printed += new.len();
        output::print_piece(new)?;
        if !follow || is_terminal(&prediction) {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A text, or nothing.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A time without its fraction.
pub(super) fn time(value: &Value) -> String {
    let text = text(value);
    let date = text.get(..10).zip(text.get(11..19));
    date.map_or_else(|| text.to_owned(), |(date, clock)| format!("{date} {clock}"))
}

fn seconds(value: &Value) -> String {
    value.as_f64().map(|seconds| format!("{seconds:.2} s")).unwrap_or_default()
}
