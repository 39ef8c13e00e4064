//! `cogwire ps`: the processes of models on a server.

use clap::Args;
use indicatif::HumanBytes;
use serde_json::Value;

use super::client::{Client, TargetArgs};
use super::failure::Outcome;
use super::output::{self, Cell, Table};
use super::predictions::text;

/// What `ps` takes.
#[derive(Debug, Args)]
pub(super) struct PsArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// Lists instances: those of the server that is asked, when there are several.
pub(super) async fn run(args: PsArgs) -> Outcome {
    let client = Client::new(&args.target)?;
    let answer = client.get("/instances").await?;
    let instances = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    if args.json {
        output::print_json(&answer["results"])?;
        return Ok(());
    }
    output::print(table(instances))?;
    for instance in instances {
        if let Some(cause) = instance["cause"].as_str() {
            output::say(format_args!("{}: {cause}", text(&instance["model"])));
        }
    }
    Ok(())
}

fn table(instances: &[Value]) -> Table {
    let mut table = Table::new(&["model", "version", "state", "pid", "memory", "busy", "for"]);
    for instance in instances {
        let version = text(&instance["version"]);
        table.row(vec![
            Cell::plain(text(&instance["model"])),
            Cell::plain(version.get(..12).unwrap_or(version)),
            Cell::state(text(&instance["state"])),
            Cell::plain(number(&instance["pid"])),
            Cell::plain(
                instance["memory"].as_u64().map(|bytes| HumanBytes(bytes).to_string()).unwrap_or_default(),
            ),
            Cell::plain(format!("{}/{}", number(&instance["busy"]), number(&instance["slots"]))),
            Cell::plain(duration(&instance["seconds"])),
        ]);
    }
    table
}

fn number(value: &Value) -> String {
    value.as_u64().map(|number| number.to_string()).unwrap_or_default()
}

fn duration(value: &Value) -> String {
    let seconds = value.as_f64().unwrap_or_default();
    indicatif::HumanDuration(std::time::Duration::from_secs_f64(seconds.max(0.0))).to_string()
}
