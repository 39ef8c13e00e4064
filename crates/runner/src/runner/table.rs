//! The versions that a runner serves, and the pools behind them.

use std::collections::HashMap;
use std::sync::Arc;

use cogwire_core::id::VersionId;
use cogwire_core::model::ModelName;
use tokio::sync::Semaphore;

use crate::catalogue::CatalogueEntry;
use crate::declared::Declared;
use crate::instances::InstanceReport;
use crate::instances::pool::Pool;
use crate::runtime::Runtime;

/// Which version is run by what.
#[derive(Default)]
pub(super) struct Table {
    /// The models that the runner was made with.
    pub(super) catalogue: Vec<CatalogueEntry>,
    pub(super) served: HashMap<VersionId, Served>,
    /// The versions that are served, in the order in which they came.
    pub(super) versions: Vec<VersionId>,
    /// Pools that are closing: their versions are gone, and the last jobs may still run.
    retired: Vec<Arc<Pool>>,
    /// Nothing more is served: what came now, nobody would close.
    pub(super) stopped: bool,
}

/// What runs a version.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) model: ModelName,
    pub(super) runtime: Runtime,
    /// As many permits as jobs can run at once.
    pub(super) capacity: Option<Arc<Semaphore>>,
    /// What it may be given, where that matters.
    pub(super) declared: Option<Arc<Declared>>,
}

impl Served {
    fn pool(&self) -> Option<&Arc<Pool>> {
        match &self.runtime {
            Runtime::Pooled(pool) => Some(pool),
            _ => None,
        }
    }
}

impl Table {
    pub(super) fn insert(&mut self, versions: &[VersionId], served: &Served) {
        self.versions.extend(versions.iter().cloned());
        self.served.extend(versions.iter().map(|version| (version.clone(), served.clone())));
    }

    pub(super) fn pool(&self, version: &VersionId) -> Option<&Arc<Pool>> {
        self.served.get(version)?.pool()
    }

    /// Whether the version was there. The last version of a pool closes it.
    pub(super) fn remove(&mut self, version: &VersionId) -> bool {
        let Some(removed) = self.served.remove(version) else { return false };
        self.versions.retain(|other| other != version);
        for entry in &mut self.catalogue {
            entry.versions.retain(|other| other != version);
        }
        self.catalogue.retain(|entry| !entry.versions.is_empty());
        if let Some(pool) = removed.pool() {
            self.close_unused(pool);
        }
        true
    }

    /// Closes every pool, for good; those that are not closed yet.
    pub(super) fn retire(&mut self) -> Vec<Arc<Pool>> {
        self.stopped = true;
        let pooled = |version: &&VersionId| self.pool(version).is_some();
        let versions: Vec<_> = self.versions.iter().filter(pooled).cloned().collect();
        for version in versions {
            self.remove(&version);
        }
        std::mem::take(&mut self.retired)
    }

    pub(super) fn reports(&self) -> Vec<InstanceReport> {
        let mut seen: Vec<&Arc<Pool>> = Vec::new();
        let mut reports = Vec::new();
        for version in &self.versions {
            let Some((served, pool)) = self.served.get(version).and_then(|it| Some((it, it.pool()?))) else {
                continue;
            };
            if seen.iter().any(|other| Arc::ptr_eq(other, pool)) {
                continue;
            }
            seen.push(pool);
            reports.extend(pool.figures().into_iter().map(|figures| InstanceReport {
                model: served.model.clone(),
                version: version.clone(),
                figures,
            }));
        }
        reports
    }

    fn close_unused(&mut self, pool: &Arc<Pool>) {
        let used = |served: &Served| served.pool().is_some_and(|other| Arc::ptr_eq(other, pool));
        if !self.served.values().any(used) {
            pool.close();
            self.retired.retain(|other| !other.is_closed());
            self.retired.push(Arc::clone(pool));
        }
    }
}
