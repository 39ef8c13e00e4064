//! What the parts of a server share: the store and what it says, the keys, and where webhooks may go.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::FileId;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::{Clock, Entropy};
use cogwire_core::wire::Links;
use cogwire_delivery::{Guard, Policy};
use cogwire_files::{Files, Storage};
use cogwire_store::sqlite::{SqliteOptions, SqliteStore};
use cogwire_store::{NodeEpoch, NodeLease};

use super::identity::{self, Identity, Tokens};
use super::{Error, Surroundings};
use crate::config::Config;

/// What everything else stands on.
pub(super) struct Foundation {
    pub(super) config: Config,
    pub(super) store: Arc<SqliteStore>,
    pub(super) account: AccountId,
    pub(super) tokens: Tokens,
    pub(super) links: Links,
    pub(super) files: Arc<Files>,
    pub(super) guard: Guard,
    pub(super) node: NodeEpoch,
    pub(super) lease: Arc<NodeLease>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Foundation {
    /// Opens the store in the data directory, and makes what a first start needs.
    pub(super) async fn lay(config: Config, url: &str, surroundings: &Surroundings) -> Result<Self, Error> {
        let Surroundings { clock, entropy, .. } = surroundings.clone();
        let store = Arc::new(open_store(&config.data_dir, clock.as_ref()).await?);
        let unusable = |error| Error::Store { path: config.data_dir.clone(), error };
        let established = identity::establish(store.as_ref(), &config, clock.as_ref(), entropy.as_ref());
        let Identity { account, tokens } = established.await.map_err(unusable)?;
        let key = |name| identity::link_key(store.as_ref(), name, entropy.as_ref());
        let links = Links::new(url, key("links").await.map_err(unusable)?);
        let files_key = key("files").await.map_err(unusable)?;
        let storage = Storage::Folder(config.data_dir.join("files"));
        let files = Files::open(&storage, url, files_key).map_err(Error::Files)?;
        files.probe(FileId::new(clock.now(), entropy.bits())).await.map_err(Error::Files)?;
        Ok(Self {
            guard: guard(&config),
            node: NodeEpoch(format!("{:032x}", entropy.bits()).into()),
            lease: Arc::new(NodeLease::endless()),
            files: Arc::new(files),
            config,
            store,
            account,
            tokens,
            links,
            clock,
            entropy,
        })
    }

    /// An error of the store, with its place.
    pub(super) fn unusable(&self, error: cogwire_store::Error) -> Error {
        Error::Store { path: self.config.data_dir.clone(), error }
    }
}

/// Opening reads and may upgrade the whole database, so it happens beside the runtime's threads.
async fn open_store(data_dir: &Path, clock: &dyn Clock) -> Result<SqliteStore, Error> {
    let path = data_dir.to_owned();
    let options =
        SqliteOptions { on_commit: Some(Arc::new(measure_commit)), ..SqliteOptions::new(clock.now()) };
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path, options)).await;
    let result = opened.expect("opening a store does not panic");
    result.map_err(|error| Error::Store { path: data_dir.to_owned(), error })
}

fn measure_commit(use_cases: usize, duration: Duration) {
    metrics::histogram!("cogwire_db_commit_seconds").record(duration);
    metrics::histogram!("cogwire_db_batch_size").record(use_cases as f64);
}

fn guard(config: &Config) -> Guard {
    Guard::new(Policy { loopback_allowed: config.is_loopback_only(), allow: config.webhooks.allow.clone() })
}
