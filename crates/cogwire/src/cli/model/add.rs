//! `cogwire model add`: sends a model, and shows what the server makes of it.

use std::path::Path;

use clap::Args;
use cogwire_core::model::ModelName;
use futures_util::StreamExt;
use indicatif::HumanBytes;
use reqwest::Response;
use serde_json::{Value, json};

use super::pack::{self, Package};
use crate::cli::client::Client;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{self, Style};
use crate::cli::predictions::text;

/// The longest line of the server's answer, in bytes: the schema of a version is in one.
const LONGEST_LINE: usize = 16 << 20;

/// What `model add` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cogwire model add ./hello --name acme/hello
  cogwire model add http://gpu-1:5000 --name acme/upscaler --slots 2

A folder is sent to the server, which makes its environment, reads its schema, starts it once and
registers it. The same content is the same version, however often it is added.")]
pub(super) struct AddArgs {
    /// A folder with a cog.yaml, or the URL of a Cog server.
    #[arg(value_name = "FOLDER|URL")]
    place: String,
    /// What it is called: owner/name. A name that is there already gets a new version.
    #[arg(long, short, value_name = "OWNER/NAME")]
    name: ModelName,
    /// One sentence about it.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// How many predictions a Cog server takes at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    slots: u32,
    /// Print the version as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(client: &Client, args: AddArgs) -> Outcome {
    let is_url = args.place.starts_with("http://") || args.place.starts_with("https://");
    let answer = if is_url { send_url(client, &args).await? } else { send_folder(client, &args).await? };
    let version = follow(answer).await?;
    if args.json {
        output::print_json(&version)?;
    } else {
        output::print(format_args!("{}:{}", args.name, text(&version["id"])))?;
        let command = Style::Accent.paint(format_args!("cogwire run {} KEY=VALUE ...", args.name));
        output::say(format_args!("Run it with {command}"));
    }
    Ok(())
}

async fn send_url(client: &Client, args: &AddArgs) -> Outcome<Response> {
    let body = json!({"url": args.place, "slots": args.slots, "description": args.description});
    client.post_for_lines(&path(args), &body).await
}

async fn send_folder(client: &Client, args: &AddArgs) -> Outcome<Response> {
    let Package { file, packed } = pack::folder(Path::new(&args.place)).await?;
    output::say(format_args!("Sending {} files, {}", packed.files, HumanBytes(packed.size)));
    client.upload(&format!("{}{}", path(args), description(args)), file.path()).await
}

fn path(args: &AddArgs) -> String {
    format!("/models/{}/versions", args.name)
}

fn description(args: &AddArgs) -> String {
    let Some(text) = &args.description else { return String::new() };
    let query =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("description", text).finish();
    format!("?{query}")
}

/// Shows what the server says, line by line, until the version or the reason why there is none.
async fn follow(answer: Response) -> Outcome<Value> {
    let (mut pieces, mut rest) = (answer.bytes_stream(), Vec::new());
    while let Some(piece) = pieces.next().await {
        let cut_off =
            |error: reqwest::Error| Failure::of("the server's answer was cut off", &error.without_url());
        rest.extend_from_slice(&piece.map_err(cut_off)?);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if let Some(version) = told(&serde_json::from_slice(&line).unwrap_or_default())? {
                return Ok(version);
            }
        }
        if rest.len() > LONGEST_LINE {
            break;
        }
    }
    Err(Failure::Failed("the server's answer ended before the model was added: look at its log".to_owned()))
}

fn told(said: &Value) -> Outcome<Option<Value>> {
    let line = text(&said["text"]);
    match text(&said["type"]) {
        "step" => output::say(Style::Strong.paint(line)),
        "log" => output::say(format_args!("  {}", Style::Dim.paint(line.trim_end()))),
        "warning" => output::say(format_args!("{} {line}", Style::Warning.paint("warning:"))),
        "failed" => return Err(Failure::Failed(line.to_owned())),
        "added" => return Ok(Some(said["version"].clone())),
        _ => {}
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_ends_with_a_version_or_a_reason() {
        assert!(matches!(told(&json!({"type": "log", "text": "x"})), Ok(None)));
        let added = told(&json!({"type": "added", "version": {"id": "v"}})).expect("no failure");
        assert_eq!(added, Some(json!({"id": "v"})));
        let failed = told(&json!({"type": "failed", "text": "no setup"}));
        assert!(matches!(failed, Err(Failure::Failed(text)) if text == "no setup"));
    }
}
