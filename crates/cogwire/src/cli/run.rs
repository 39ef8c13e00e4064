//! `cogwire run`: one prediction from the command line, from its input to its output.

mod display;
mod input;
mod model;
mod save;
mod show;
mod watch;

pub(super) use input::read as read_input;
pub(super) use model::Target;
pub(super) use watch::is_terminal;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, TargetArgs};
use super::failure::{Failure, Outcome};
use super::output;

/// What `run` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cogwire run replicate/hello-world text=Alice
  cogwire run acme/upscaler image=@cat.png scale=2 -o big.png
  cogwire run acme/storyteller prompt='a lighthouse' --stream
  cogwire run acme/upscaler image=@cat.png --json | jq .metrics

Values are read as the model's schema says: numbers, true and false, JSON for lists and objects,
else text. @FILE sends a file, @- standard input, and @@ begins a text with @. A list's key can be
given several times.")]
pub(super) struct RunArgs {
    /// The model: owner/name, owner/name:version, or a version id.
    #[arg(value_name = "MODEL")]
    model: String,
    /// The input.
    #[arg(value_name = "KEY=VALUE")]
    input: Vec<String>,
    /// Print the whole prediction as JSON.
    #[arg(long)]
    json: bool,
    /// Print output as the model makes it.
    #[arg(long, conflicts_with_all = ["json", "no_wait", "output"])]
    stream: bool,
    /// Write the output to a file, or several files into a folder.
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Print the prediction's id and do not wait for its end.
    #[arg(long, conflicts_with = "output")]
    no_wait: bool,
    /// Send webhooks to this URL.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// Which webhooks: start, output, logs, completed.
    #[arg(long, value_name = "EVENT", value_delimiter = ',', requires = "webhook")]
    webhook_events: Vec<String>,
    #[command(flatten)]
    target: TargetArgs,
}

/// Runs one prediction.
pub(super) async fn run(args: RunArgs) -> Outcome {
    let client = Client::new(&args.target)?;
    let target = Target::find(&client, &args.model).await?;
    let input = read_input(&args.input, target.schema.as_ref()).await?;
    let created = client.post(&target.create_path(), &args.body(&target, &input)).await?;
    if args.no_wait {
        return print_created(&args, &created);
    }
    let ended = if args.stream {
        watch::stream(&client, created).await?
    } else {
        watch::until_end(&client, created).await?
    };
    args.finish(&client, &target, &ended).await
}

impl RunArgs {
    fn body(&self, target: &Target, input: &Value) -> Value {
        let mut body = target.body(input);
        if let Some(webhook) = &self.webhook {
            body["webhook"] = json!(webhook);
        }
        if !self.webhook_events.is_empty() {
            body["webhook_events_filter"] = json!(self.webhook_events);
        }
        body
    }

    async fn finish(&self, client: &Client, target: &Target, ended: &Value) -> Outcome {
        if self.json {
            output::print_json(ended)?;
        }
        match ended["status"].as_str() {
            Some("succeeded") => {}
            status => return Err(failed(status, ended)),
        }
        match &self.output {
            Some(path) => save::output(client, &ended["output"], target.output_schema(), path).await,
            None if self.json || self.stream => Ok(()),
            None => show::output(&ended["output"], target.output_schema()),
        }
    }
}

fn print_created(args: &RunArgs, created: &Value) -> Outcome {
    if args.json {
        output::print_json(created)?;
    } else {
        output::print(created["id"].as_str().unwrap_or_default())?;
    }
    Ok(())
}

fn failed(status: Option<&str>, prediction: &Value) -> Failure {
    let id = prediction["id"].as_str().unwrap_or_default();
    let what = status.unwrap_or("ended without a status");
    Failure::Failed(match prediction["error"].as_str() {
        Some(error) => format!("prediction {id} {what}: {error}"),
        None => format!("prediction {id} was {what}"),
    })
}
