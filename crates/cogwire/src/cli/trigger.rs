//! `cogwire trigger`: one real webhook to any URL, and what came back.
//!
//! It goes the way that all webhooks go: a prediction runs, a message is owed, signed, sent, and sent again as the schedule
//! says. So what a receiver gets here is what it will get.

mod follow;

use clap::{Args, ValueEnum};
use serde_json::json;
use url::Url;

use super::client::{Client, TargetArgs};
use super::failure::{Failure, Outcome};
use super::output;
use super::run::{Target, read_input};
use super::temporary::{self, TemporaryServer};
use crate::config::{Config, Environment, Secrets};

/// What `trigger` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cogwire trigger completed --to http://localhost:3000/hook
  cogwire trigger output --to https://example.com/hook
  cogwire trigger completed --to http://localhost:3000/hook --model replicate/hello-world text=Alice
  COGWIRE_WEBHOOK_SECRET=whsec_... cogwire trigger completed --to http://localhost:3000/hook

A prediction of the model runs on your server, which signs the webhook with its secret (`cogwire
webhooks secret`) and sends it again as its schedule says. Where none runs, one is started for the
moment; it signs with COGWIRE_WEBHOOK_SECRET, or with a secret that it prints.
The exit code is 1 when the webhook was not delivered.")]
pub(super) struct TriggerArgs {
    /// What the webhook is about.
    #[arg(value_name = "EVENT")]
    event: Event,
    /// The model's input, where it needs one.
    #[arg(value_name = "KEY=VALUE")]
    input: Vec<String>,
    /// Where to send it.
    #[arg(long, value_name = "URL")]
    to: String,
    /// The model that runs. Of the built-in ones, this one gives all four events.
    #[arg(long, value_name = "MODEL", default_value = "zeke/chaos-monkey")]
    model: String,
    /// Print the message and its attempts as JSON, at the end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// What a webhook can be about.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Event {
    Start,
    Output,
    Logs,
    Completed,
}

/// Sends one webhook, by a server that runs or by one of its own.
pub(super) async fn run(args: TriggerArgs) -> Outcome {
    if let Some(client) = Client::of_running(&args.target).await? {
        return args.or_leave(&client).await;
    }
    let server = args.start_server().await?;
    let done = args.or_stop(server.client()).await;
    server.stop().await?;
    done
}

impl TriggerArgs {
    /// A server that allows what it is started for.
    async fn start_server(&self) -> Outcome<TemporaryServer> {
        let data = temporary::data()?;
        let mut config = temporary::config(data.path())?;
        allow(&mut config, &self.to);
        config.secrets.webhook_secret = Secrets::read(&Environment::of_process())?.webhook_secret;
        let own_secret = config.secrets.webhook_secret.is_none();
        let server = TemporaryServer::start(data, config).await?;
        output::say(
            "No server runs here, so this command is one until the webhook is delivered or given up.",
        );
        if own_secret {
            output::say(format_args!("It signs with {}", server.client().webhook_secret().await?));
        }
        Ok(server)
    }

    /// ^C leaves the rest to the server.
    async fn or_leave(&self, client: &Client) -> Outcome {
        tokio::select! {
            done = self.send(client, true) => done,
            _ = tokio::signal::ctrl_c() => {
                output::say("The server goes on: `cogwire webhooks ls` shows what becomes of it.");
                Err(Failure::Interrupted)
            }
        }
    }

    /// ^C ends everything.
    async fn or_stop(&self, client: &Client) -> Outcome {
        tokio::select! {
            done = self.send(client, false) => done,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    }

    async fn send(&self, client: &Client, kept: bool) -> Outcome {
        let target = Target::find(client, &self.model).await?;
        let input = read_input(&self.input, target.schema.as_ref()).await?;
        let mut body = target.body(&input);
        body["webhook"] = json!(self.to);
        body["webhook_events_filter"] = json!([self.event.name()]);
        let created = client.post(&target.create_path(), &body).await?;
        follow::first_message(client, &created, self.json, kept).await
    }
}

impl Event {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Whoever starts a server for one webhook means its receiver to be reached. A URL that cannot be read is left to the
/// server, which says best what is wrong.
fn allow(config: &mut Config, url: &str) {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).and_then(|host| host.parse().ok());
    config.webhooks.allow.extend(host);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cogwire_delivery::guard::{Guard, Policy};

    use super::*;

    /// Whether a server that was started for this URL lets a webhook go there.
    fn reaches(text: &str) -> bool {
        let mut config = Config::defaults(Path::new("data")).expect("the defaults are valid");
        allow(&mut config, text);
        let guard = Guard::new(Policy { loopback_allowed: false, allow: config.webhooks.allow });
        guard.check_url(&text.parse().expect("a URL")).is_ok()
    }

    #[test]
    fn a_server_of_its_own_allows_its_receiver_as_far_as_any_server_can() {
        for url in [
            "http://localhost:3000/hook",
            "http://127.0.0.1/hook",
            "http://[::1]:1/hook",
            "http://receiver.internal/hook",
            "http://10.0.0.5/hook",
            "https://example.com/hook",
        ] {
            assert!(reaches(url), "{url}");
        }
        assert!(!reaches("ftp://example.com/hook"));
    }
}
