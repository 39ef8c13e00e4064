//! `cogwire webhooks resend`: messages that are sent again.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{self, Style};
use crate::cli::predictions::text;

/// The most messages that a request may name.
const AT_ONCE: usize = 1000;

/// What `resend` takes.
#[derive(Debug, Args)]
pub(super) struct ResendArgs {
    /// Their ids.
    #[arg(required = true, value_name = "MSG")]
    ids: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Sends again what is asked for.
pub(super) async fn run(client: &Client, args: &ResendArgs) -> Outcome {
    named(client, &args.ids, args.json).await
}

async fn named(client: &Client, ids: &[String], json: bool) -> Outcome {
    let mut results = Vec::new();
    for ids in ids.chunks(AT_ONCE) {
        let mut answer = client.post("/deliveries/resend", &json!({"ids": ids})).await?;
        if let Value::Array(some) = answer["results"].take() {
            results.extend(some);
        }
    }
    let refused = results.iter().filter(|one| refusal(one).is_some()).count();
    if json {
        output::print_json(&Value::Array(results))?;
    } else {
        results.iter().try_for_each(tell)?;
    }
    if refused > 0 { Err(Failure::Told) } else { Ok(()) }
}

fn tell(result: &Value) -> Outcome {
    let id = text(&result["id"]);
    match (refusal(result), text(&result["outcome"])) {
        (Some(reason), _) => output::say(format_args!("{} {id} {reason}", Style::Bad.paint("error:"))),
        (None, "already_pending") => output::print(format_args!("{id} is on its way already"))?,
        (None, _) => output::print(format_args!("{id} is sent again"))?,
    }
    Ok(())
}

/// Why a message is not sent again, if it is not.
fn refusal(result: &Value) -> Option<&'static str> {
    match text(&result["outcome"]) {
        "queued" | "already_pending" => None,
        "not_stored" => Some("cannot be sent again: only `completed` messages are kept"),
        _ => Some("could not be found"),
    }
}
