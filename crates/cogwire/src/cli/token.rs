//! `cogwire token`: API tokens, made and revoked in the database itself, so that nobody needs a token to make one.

use clap::{Args, Subcommand};
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Clock;
use cogwire_store::Store;
use cogwire_store::account::Token;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::failure::{Failure, Outcome};
use super::output::{self, Cell, Table};
use super::store;
use crate::config::StoreArgs;
use crate::lifecycle::{SystemClock, SystemEntropy};
use crate::server::token;

/// Makes, lists and revokes API tokens. Works on the database itself, beside running servers or without one.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token; it is printed once.
    Create {
        /// A name to recognise it by.
        #[arg(long, default_value = "")]
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List tokens.
    Ls {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; it is refused from then on.
    Revoke {
        /// Its prefix as `token ls` shows it, or the whole token.
        #[arg(value_name = "PREFIX")]
        token: String,
    },
}

/// Does what the subcommand says.
pub(super) async fn run(args: TokenArgs) -> Outcome {
    let (opened, account) = store::open(args.store).await?;
    let store = opened.store();
    let done = match args.command {
        TokenCommand::Create { name, json } => create(store.as_ref(), account, name, json).await,
        TokenCommand::Ls { json } => list(store.as_ref(), &account, json).await,
        TokenCommand::Revoke { token } => revoke(store.as_ref(), &account, &token).await,
    };
    opened.close().await;
    done
}

async fn create(store: &dyn Store, account: AccountId, name: String, json: bool) -> Outcome {
    let now = SystemClock.now();
    store.ensure_account(&account, now).await?;
    let token = token::generate(&SystemEntropy);
    let row = token::row(&token, account, name, now);
    let shown = describe(&row);
    store.add_token(row).await?;
    if json {
        let mut shown = shown;
        shown["token"] = json!(token.expose_secret());
        output::print_json(&shown)?;
    } else {
        output::print(token.expose_secret())?;
        output::say("Keep it: only its hash is stored, and it is not shown again.");
    }
    Ok(())
}

async fn list(store: &dyn Store, account: &AccountId, json: bool) -> Outcome {
    let tokens = store.tokens(account).await?;
    if json {
        output::print_json(&tokens.iter().map(describe).collect())?;
        return Ok(());
    }
    let mut table = Table::new(&["prefix", "created", "name"]);
    for token in &tokens {
        let created = super::predictions::time(&json!(token.created_at.to_string()));
        table.row(vec![Cell::plain(&token.prefix), Cell::plain(created), Cell::plain(&token.label)]);
    }
    output::print(table)?;
    Ok(())
}

async fn revoke(store: &dyn Store, account: &AccountId, wanted: &str) -> Outcome {
    let tokens = store.tokens(account).await?;
    let hash = token::hash(wanted);
    let fits =
        |token: &&Token| token.sha256 == hash || (wanted.len() > 3 && token.prefix.starts_with(wanted));
    let found: Vec<&Token> = tokens.iter().filter(fits).collect();
    match found.as_slice() {
        [] => Err(Failure::Failed(format!("no token begins with {wanted:?}: `cogwire token ls` shows them"))),
        [token] => {
            store.revoke_token(&token.sha256).await?;
            output::say(format_args!("Revoked {} {}", token.prefix, token.label));
            Ok(())
        }
        several => Err(Failure::Failed(format!(
            "{} tokens begin with {wanted:?}: give more of it, or the whole token",
            several.len()
        ))),
    }
}

fn describe(token: &Token) -> Value {
    json!({"prefix": token.prefix, "name": token.label, "created_at": token.created_at.to_string()})
}
