//! `cogwire webhooks secret`: what signs, shown and changed.

use clap::{Args, Subcommand, ValueEnum};
use cogwire_core::time::Clock;
use cogwire_core::webhook::signature::SecretKind;
use cogwire_store::account::opened;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::{self, Cell, Table};
use crate::cli::predictions::{text, time};
use crate::cli::store;
use crate::config::DatabaseArgs;
use crate::lifecycle::SystemClock;

/// What `secret` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct SecretArgs {
    #[command(subcommand)]
    command: Option<SecretCommand>,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Debug, Subcommand)]
enum SecretCommand {
    /// Print the secret that signs webhooks; the same as without a command.
    ///
    /// It is asked of the server, or read from the database when only that is named.
    Show(ShowArgs),
    /// Make a new secret, which signs from now on beside the ones before it.
    Rotate {
        /// How long the secret before it goes on signing, such as 24h; until it is retired, without this.
        #[arg(long, value_name = "TIME")]
        overlap: Option<String>,
        /// How the new one signs.
        #[arg(long, default_value = "hmac")]
        kind: Kind,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let secrets sign no longer: all that a newer one has replaced, or one of them.
    Retire {
        /// Only this one, as `ls` shows it.
        #[arg(value_name = "ID")]
        id: Option<i64>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List secrets and how they stand, newest first.
    Ls {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a secret signs.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// With a key that receivers have, too: what Replicate's clients verify.
    Hmac,
    /// With a private key; receivers get the public one.
    Ed25519,
}

/// Does what the subcommand says. A server that is `named` is asked, also beside a database.
pub(super) async fn run(client: &Client, args: SecretArgs, named: bool) -> Outcome {
    match args.command {
        None => show(client, args.show, named).await,
        Some(SecretCommand::Show(args)) => show(client, args, named).await,
        Some(SecretCommand::Rotate { overlap, kind, json }) => rotate(client, overlap, kind, json).await,
        Some(SecretCommand::Retire { id, json }) => retire(client, id, json).await,
        Some(SecretCommand::Ls { json }) => list(client, json).await,
    }
}

impl Kind {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

async fn show(client: &Client, args: ShowArgs, named: bool) -> Outcome {
    let stored = if named { None } else { stored(args.database).await? };
    let secret = match stored {
        Some(secret) => secret,
        None => client.webhook_secret().await?,
    };
    if args.json {
        output::print_json(&json!({"key": secret}))?;
    } else {
        output::print(secret)?;
    }
    Ok(())
}

/// The current shared secret in the database, when one is named.
async fn stored(database: DatabaseArgs) -> Outcome<Option<String>> {
    let Some((store, account, vault)) = store::open_database(database).await? else { return Ok(None) };
    let rows = store.store().secrets(&account).await;
    store.close().await;
    let (rows, now) = (rows?, SystemClock.now());
    match rows.iter().find(|row| row.secret.kind() == SecretKind::Hmac && row.signs(now)) {
        Some(current) => Ok(Some(opened(&vault, &account, current)?.expose())),
        None => Err(Failure::Failed(format!(
            "account {account} has no secret yet: the first start of a server with the role api makes one"
        ))),
    }
}

async fn rotate(client: &Client, overlap: Option<String>, kind: Kind, json: bool) -> Outcome {
    let asked = json!({"overlap": overlap, "kind": kind.name()});
    let made = client.post("/webhooks/default/secret/rotate", &asked).await?;
    if json {
        output::print_json(&made)?;
        return Ok(());
    }
    let shown = if made["key"].is_string() { &made["key"] } else { &made["public_key"] };
    output::print(text(shown))?;
    let before = match (replaces(client, &kind.name()).await?, overlap) {
        (false, _) => "No other of its kind signs".to_owned(),
        (true, Some(overlap)) => format!("The one before it signs as well for {overlap}"),
        (true, None) => "The one before it signs as well until `cogwire webhooks secret retire`".to_owned(),
    };
    output::say(format_args!("Give it to your receivers: it signs from now on. {before}."));
    Ok(())
}

/// Whether one that was current until now goes on signing.
async fn replaces(client: &Client, kind: &str) -> Outcome<bool> {
    let answer = client.get("/webhooks/default/secrets").await?;
    let mut all = answer["results"].as_array().into_iter().flatten();
    Ok(all.any(|secret| secret["kind"] == kind && secret["state"] == "previous"))
}

async fn retire(client: &Client, id: Option<i64>, json: bool) -> Outcome {
    let answer = client.post("/webhooks/default/secret/retire", &json!({"id": id})).await?;
    if json {
        output::print_json(&answer)?;
        return Ok(());
    }
    let retired = answer["retired"].as_array().map(Vec::as_slice).unwrap_or_default();
    for id in retired {
        output::say(format_args!("Secret {id} does not sign any more."));
    }
    if retired.is_empty() {
        output::say("There was nothing to retire: only current secrets sign.");
    }
    Ok(())
}

async fn list(client: &Client, json: bool) -> Outcome {
    let answer = client.get("/webhooks/default/secrets").await?;
    if json {
        output::print_json(&answer)?;
        return Ok(());
    }
    let mut table = Table::new(&["id", "kind", "state", "created", "signs until", "public key"]);
    for secret in answer["results"].as_array().into_iter().flatten() {
        table.row(vec![
            Cell::plain(secret["id"].to_string()),
            Cell::plain(text(&secret["kind"])),
            Cell::plain(text(&secret["state"])),
            Cell::plain(time(&secret["created_at"])),
            Cell::plain(until(secret)),
            Cell::plain(text(&secret["public_key"])),
        ]);
    }
    output::print(table)?;
    Ok(())
}

fn until(secret: &Value) -> String {
    match (text(&secret["state"]), secret["signs_until"].is_null()) {
        ("previous", true) => "it is retired".to_owned(),
        _ => time(&secret["signs_until"]),
    }
}
