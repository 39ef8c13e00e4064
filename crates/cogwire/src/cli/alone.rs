//! The store, for commands that need it to themselves: what a server did in the meantime would be lost.

use std::sync::Arc;

use cogwire_core::time::Clock;
use cogwire_store::node::Node;
use cogwire_store::postgres::ServersKeptOut;
use cogwire_store::{NodeStore, PostgresStore, Store};

use super::failure::{Failure, Outcome};
use super::store::unusable;
use crate::config::StorePlace;
use crate::lifecycle::SystemClock;
use crate::server::OpenedStore;

/// A store that no server uses.
pub(super) struct Alone {
    opened: OpenedStore,
    /// In a data directory the store itself keeps them out.
    kept_out: Option<ServersKeptOut>,
    place: StorePlace,
}

impl Alone {
    /// Opens an installation that is there and up to date.
    pub(super) async fn open(place: StorePlace) -> Outcome<Self> {
        let opened = OpenedStore::open_alone(&place, SystemClock.now()).await;
        Self::keep_servers_out(opened.map_err(|error| unusable(&place, &error))?, place).await
    }

    /// Opens a store, and makes what is missing.
    pub(super) async fn open_new(place: StorePlace) -> Outcome<Self> {
        let opened = OpenedStore::open_new(&place, SystemClock.now()).await;
        Self::keep_servers_out(opened.map_err(|error| unusable(&place, &error))?, place).await
    }

    async fn keep_servers_out(opened: OpenedStore, place: StorePlace) -> Outcome<Self> {
        let kept_out = match &opened {
            OpenedStore::Sqlite(_) => None,
            OpenedStore::Postgres(store) => Some(keep_out(store).await?),
        };
        Ok(Self { opened, kept_out, place })
    }

    /// The store.
    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.opened.store()
    }

    /// The kind of store, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self.opened {
            OpenedStore::Sqlite(_) => "sqlite",
            OpenedStore::Postgres(_) => "postgres",
        }
    }

    /// The version of its schema.
    pub(super) async fn schema(&self) -> Outcome<i64> {
        Ok(OpenedStore::schema_version(&self.place).await?.found)
    }

    /// Lets servers in again. Fails when one could have come before: the connection that kept them out was lost.
    pub(super) async fn close(self) -> Outcome {
        let was_alone = self.kept_out.as_ref().is_none_or(ServersKeptOut::is_held);
        drop(self.kept_out);
        self.opened.close().await;
        if was_alone {
            return Ok(());
        }
        Err(Failure::Failed(
            "a connection to the database was lost, and a server could have started meanwhile: if one has, begin anew, and \
             otherwise run the same command again"
                .to_owned(),
        ))
    }
}

async fn keep_out(store: &PostgresStore) -> Outcome<ServersKeptOut> {
    let kept_out = store.keep_servers_out().await?;
    // Leases are told by the database's clock.
    let now = store.server_time().await?.unwrap_or_else(|| SystemClock.now());
    let nodes = store.live_nodes(now).await?;
    match kept_out {
        _ if !nodes.is_empty() => Err(Failure::Failed(in_use(&nodes))),
        Some(kept_out) => Ok(kept_out),
        None => Err(Failure::Failed(
            "a server that is starting, or another cogwire export or import, uses the database: let it end first".to_owned(),
        )),
    }
}

fn in_use(nodes: &[Node]) -> String {
    let names: Vec<String> =
        nodes.iter().map(|node| format!("{:.8} ({})", node.epoch.0, node.roles)).collect();
    format!(
        "servers use the database: {}; stop them first, because what they do meanwhile would be lost. One that was killed \
         counts until its --node-lease is over",
        names.join(", ")
    )
}
