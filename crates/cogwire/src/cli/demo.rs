//! `cogwire demo`: a server and a receiver on this machine, three predictions, and every webhook as it arrives.
//!
//! It is a test as well: a webhook that is missing, out of order or wrongly signed makes it fail.

mod act;
mod hints;
mod receiver;
mod stage;

use clap::Args;
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::output::{self, Style};
use crate::lifecycle::SystemClock;
use act::Act;
use stage::Stage;

/// What `demo` takes.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Leave the server running until ^C, to try your own app.
    #[arg(long)]
    keep: bool,
}

/// Shows everything, and fails when anything is not as it should be.
pub(super) async fn run(args: DemoArgs) -> Outcome {
    let stage = Stage::set().await?;
    let played = play_and_explain(&stage, args.keep).await;
    stage.clear().await?;
    played
}

async fn play_and_explain(stage: &Stage, keep: bool) -> Outcome {
    output::print(
        Style::Strong.paint("A Cogwire server and a receiver of webhooks. Nothing leaves this machine."),
    )?;
    output::print(format_args!("\n  server    {}\n  receiver  {}", stage.url(), stage.receiver.url))?;
    let mut webhooks = 0;
    for (number, act) in acts().iter().enumerate() {
        output::print(format_args!("\n{} {}", Style::Strong.paint(number + 1), act.title))?;
        webhooks += act.play(stage, &SystemClock).await?;
    }
    let verdict = format!("All {webhooks} webhooks arrived in order, and every signature was verified.");
    output::print(format_args!("\n{}", Style::Good.paint(verdict)))?;
    hints::print(stage, keep)?;
    if keep { wait_for_interrupt().await } else { Ok(()) }
}

fn acts() -> [Act; 3] {
    let both = || vec!["start", "completed"];
    [
        Act {
            title: "zeke/chaos-monkey, told to succeed",
            model: "zeke/chaos-monkey",
            input: json!({"outcome": "success"}),
            events: both(),
            ends: "succeeded",
        },
        Act {
            title: "zeke/chaos-monkey, told to fail: that is told as well",
            model: "zeke/chaos-monkey",
            input: json!({"outcome": "failure"}),
            events: both(),
            ends: "failed",
        },
        Act {
            title: "acme/storyteller, which streams: progress comes at most every 500 ms, in order, and then the end",
            model: "acme/storyteller",
            input: json!({"prompt": "a lighthouse"}),
            events: vec!["start", "output", "logs", "completed"],
            ends: "succeeded",
        },
    ]
}

async fn wait_for_interrupt() -> Outcome {
    output::say("\nThe server runs until you press ^C.");
    tokio::signal::ctrl_c().await.map_err(|error| Failure::of("cannot wait for ^C", &error))?;
    Ok(())
}
