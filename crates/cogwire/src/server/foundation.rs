//! What the parts of a server share: the store and what it says, the keys, and where webhooks may go.

use std::sync::Arc;

use cogwire_core::id::FileId;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::{Clock, Entropy};
use cogwire_core::trace::{NoSpans, Spans};
use cogwire_core::wire::Links;
use cogwire_delivery::{Guard, Policy};
use cogwire_files::Files;
use cogwire_store::{NodeEpoch, NodeLease, Store};

use super::identity::{self, Identity, Tokens};
use super::{Error, OpenedStore, Surroundings};
use crate::config::Config;
use crate::telemetry::{self, SpanExporter};

/// What everything else stands on.
pub(super) struct Foundation {
    pub(super) config: Config,
    pub(super) opened: OpenedStore,
    pub(super) store: Arc<dyn Store>,
    pub(super) account: AccountId,
    pub(super) tokens: Tokens,
    pub(super) links: Links,
    pub(super) files: Arc<Files>,
    pub(super) guard: Guard,
    pub(super) node: NodeEpoch,
    pub(super) lease: Arc<NodeLease>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) spans: Arc<dyn Spans>,
    /// Sends those, if they are wanted; until it runs.
    pub(super) exporter: Option<SpanExporter>,
}

impl Foundation {
    /// Opens the store, and makes what a first start needs. The store is open only when this succeeds.
    pub(super) async fn lay(config: Config, url: &str, surroundings: &Surroundings) -> Result<Self, Error> {
        let place = config.store_place();
        let opened = OpenedStore::open(&place, surroundings.clock.now()).await;
        let opened = opened.map_err(|error| Error::store(&place, error))?;
        let laid = Self::upon(&opened, config, url, surroundings).await;
        if laid.is_err() {
            opened.close().await;
        }
        laid
    }

    async fn upon(
        opened: &OpenedStore,
        config: Config,
        url: &str,
        surroundings: &Surroundings,
    ) -> Result<Self, Error> {
        let Surroundings { clock, entropy, .. } = surroundings.clone();
        let (store, place) = (opened.store(), config.store_place());
        let unusable = |error| Error::store(&place, error);
        // First of all: what is written from here on may bear the time.
        surroundings.compare_clock(store.as_ref()).await.map_err(unusable)?;
        let key = |name| identity::link_key(store.as_ref(), name, entropy.as_ref());
        let links = Links::new(url, key("links").await.map_err(unusable)?);
        let files = Files::open(&config.files_place(), url, key("files").await.map_err(unusable)?);
        let files = files.map_err(Error::Files)?;
        files.probe(FileId::new(clock.now(), entropy.bits())).await.map_err(Error::Files)?;
        // Last: it makes the first token, which is told only by a start that succeeds.
        let established = identity::establish(store.as_ref(), &config, clock.as_ref(), entropy.as_ref());
        let Identity { account, tokens } = established.await.map_err(unusable)?;
        let node = NodeEpoch(format!("{:032x}", entropy.bits()).into());
        let (spans, exporter) = spans(&config, &node, &clock)?;
        Ok(Self {
            guard: guard(&config),
            node,
            spans,
            exporter,
            lease: Arc::new(opened.lease()),
            files: Arc::new(files),
            opened: opened.clone(),
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
        Error::store(&self.config.store_place(), error)
    }
}

/// Where spans go, and what sends them when somebody wants to see them.
fn spans(
    config: &Config,
    node: &NodeEpoch,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<dyn Spans>, Option<SpanExporter>), Error> {
    let Some(traces) = &config.traces else { return Ok((Arc::new(NoSpans), None)) };
    let (spans, exporter) = telemetry::spans(traces, &node.0, clock.clone()).map_err(Error::Traces)?;
    // It may come from a variable that is meant for other programs as well.
    tracing::info!(collector = traces.endpoint.authority(), "traces are exported");
    Ok((spans, Some(exporter)))
}

fn guard(config: &Config) -> Guard {
    Guard::new(Policy { loopback_allowed: config.is_loopback_only(), allow: config.webhooks.allow.clone() })
}
