//! `cogwire webhooks resend`: messages that are sent again, those that are named or all that were given up.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use cogwire_core::time::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{self, Style};
use crate::cli::predictions::text;
use crate::config::duration;
use crate::lifecycle::SystemClock;

/// The most messages that a request may name.
const AT_ONCE: usize = 1000;

/// What `resend` takes.
#[derive(Debug, Args)]
#[command(
    override_usage = "cogwire webhooks resend [OPTIONS] <MSG>...\n       cogwire webhooks resend [OPTIONS] --since <TIME>"
)]
pub(super) struct ResendArgs {
    /// Their ids.
    #[arg(required_unless_present = "since", conflicts_with = "since", value_name = "MSG")]
    ids: Vec<String>,
    /// All that were made or given up since then, and that no receiver took: a time such as 2026-11-21T09:00:00Z, or how long
    /// ago, such as 2h.
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A moment, as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    At(Timestamp),
    Ago(Duration),
}

/// Sends again what is asked for.
pub(super) async fn run(client: &Client, args: &ResendArgs) -> Outcome {
    match args.since {
        Some(since) => all_since(client, since.at(SystemClock.now()), args.json).await,
        None => named(client, &args.ids, args.json).await,
    }
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

/// Asks until there are no more: a request looks at a part of them. Each is sent again once, also one that is given up
/// meanwhile.
async fn all_since(client: &Client, since: Timestamp, json: bool) -> Outcome {
    let progress = output::spinner();
    let (mut queued, mut after) = (0, Value::Null);
    loop {
        let body = json!({"after": after, "since": since.to_string(), "state": "exhausted"});
        let mut answer = client.post("/deliveries/resend", &body).await?;
        queued += answer["queued"].as_u64().unwrap_or_default();
        progress.set_message(format!("{queued} so far"));
        after = answer["next"].take();
        if after.is_null() {
            break;
        }
    }
    drop(progress);
    match (json, queued) {
        (true, _) => output::print_json(&json!({"queued": queued}))?,
        (false, 1) => output::print("1 message is sent again")?,
        (false, _) => output::print(format_args!("{queued} messages are sent again"))?,
    }
    Ok(())
}

impl Since {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(span) => now - span,
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(span) = duration(text) {
            return Ok(Self::Ago(span));
        }
        Timestamp::parse(text).map(Self::At).map_err(|_| {
            "give a time such as 2026-11-21T09:00:00Z, or how long ago, such as 30m, 2h or 7d".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let now = Timestamp::parse("2026-11-21T10:00:00Z").expect("a time");
        for (text, expected) in [
            ("2h", "2026-11-21T08:00:00Z"),
            ("1d12h", "2026-11-19T22:00:00Z"),
            ("2026-11-21T10:00:00+01:00", "2026-11-21T09:00:00Z"),
        ] {
            let at = text.parse::<Since>().expect(text).at(now);
            assert_eq!(at, Timestamp::parse(expected).expect("a time"), "for {text}");
        }
        for text in ["", "2", "yesterday", "-2h"] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
    }
}
