//! The store, for commands that open it beside the servers.

use cogwire_core::prediction::AccountId;
use cogwire_core::time::Clock;
use cogwire_core::webhook::vault::Vault;

use super::failure::{Failure, Outcome};
use crate::config::{self, DatabaseArgs, Environment, Layers, StoreArgs, StorePlace, account_name};
use crate::lifecycle::SystemClock;
use crate::server::OpenedStore;

/// Opens the store that the arguments name. The account is the one that they name, too.
pub(super) async fn open(args: StoreArgs) -> Outcome<(OpenedStore, AccountId)> {
    let environment = Environment::of_process();
    let layers = args.layers(&environment)?;
    open_place(&StorePlace::read(&layers, &environment)?, &layers).await
}

/// The same of a database, when one is named, and what opens its signing secrets.
pub(super) async fn open_database(args: DatabaseArgs) -> Outcome<Option<(OpenedStore, AccountId, Vault)>> {
    let environment = Environment::of_process();
    let layers = args.layers(&environment)?;
    if layers.get("database_url").is_none() {
        return Ok(None);
    }
    let vault = config::vault(&layers, &environment)?;
    let (opened, account) = open_place(&StorePlace::read(&layers, &environment)?, &layers).await?;
    Ok(Some((opened, account, vault)))
}

async fn open_place(place: &StorePlace, layers: &Layers) -> Outcome<(OpenedStore, AccountId)> {
    let account = AccountId(account_name(layers)?.into());
    let opened = OpenedStore::open_shared(place, SystemClock.now()).await;
    Ok((opened.map_err(|error| unusable(place, &error))?, account))
}

/// Why the store cannot be opened, with the setting that names it.
pub(super) fn unusable(place: &StorePlace, error: &cogwire_store::Error) -> Failure {
    match (place, error) {
        (_, cogwire_store::Error::InUse(dir)) => {
            Failure::Failed(format!("a cogwire server uses {dir}: stop it first"))
        }
        (StorePlace::DataDir(path), error) => Failure::of(
            format_args!("cannot open the database in {} (is it the right --data-dir?)", path.display()),
            error,
        ),
        (StorePlace::Database(_), error) => Failure::from_error(error),
    }
}
