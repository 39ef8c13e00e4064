//! `cogwire migrate`: brings the schema of the store up to date, without starting a server.

use clap::Args;
use cogwire_core::time::Clock;
use cogwire_store::SchemaVersion;

use super::failure::{Failure, Outcome};
use super::output;
use super::store::unusable;
use crate::config::{Environment, StoreArgs, StorePlace};
use crate::lifecycle::SystemClock;
use crate::server::OpenedStore;

/// Brings the schema of the store up to date.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cogwire migrate --check
  cogwire migrate --database-url postgres://cogwire@db.example.com/cogwire

A server does the same when it starts. On PostgreSQL the servers of the version before go on
meanwhile. A data directory is migrated while no server uses it, and a copy of its database is put
into backups/ first.")]
pub(super) struct MigrateArgs {
    /// Change nothing: exit with 0 when the schema is up to date, and else with 1.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// Does what the arguments say.
pub(super) async fn run(args: MigrateArgs) -> Outcome {
    let environment = Environment::of_process();
    let place = StorePlace::read(&args.store.layers(&environment)?, &environment)?;
    let version = OpenedStore::schema_version(&place).await.map_err(|error| unusable(&place, &error))?;
    let SchemaVersion { found, known } = version;
    if version.is_current() {
        output::say(format_args!("The schema is up to date: version {known}."));
        return Ok(());
    }
    if args.check {
        return pending(version);
    }
    let opened = OpenedStore::open_new(&place, SystemClock.now()).await;
    opened.map_err(|error| unusable(&place, &error))?.close().await;
    match found {
        0 => output::say(format_args!("Made the schema: version {known}.")),
        _ => output::say(format_args!("Upgraded the schema from version {found} to {known}.")),
    }
    Ok(())
}

/// Lists the steps that are left, as data.
fn pending(version: SchemaVersion) -> Outcome {
    for step in version.found + 1..=version.known {
        output::print(format_args!("version {step} is pending"))?;
    }
    Err(Failure::Failed(match version.found {
        0 => "there is no schema yet: `cogwire migrate` makes it".to_owned(),
        found => {
            format!("the schema has version {found}: `cogwire migrate` upgrades it to {}", version.known)
        }
    }))
}
