//! Publishes how much waits and runs, and what the instances of models are doing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use cogwire_core::model::ModelName;
use cogwire_store as store;

use crate::driver::{Activity, Round, RoundFuture};
use crate::models::Unready;
use crate::{Engine, Shared};

/// A model, and what some of its instances are doing.
type Series = (ModelName, &'static str);

/// Publishes figures that only looking gives.
pub(crate) struct Figures {
    shared: Arc<Shared>,
    /// What was published of models so far. A series goes on with 0: left alone, it would keep its last value for ever.
    published: Mutex<BTreeSet<Series>>,
}

impl Figures {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, published: Mutex::default() }
    }

    async fn publish(&self) -> store::Result<Round> {
        self.publish_instances();
        let shared = &self.shared;
        let load = shared.store.load_figures().await?;
        let now = shared.clock.now();
        let backlog = shared.store.backlog(now).await?;
        let oldest = backlog.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
        metrics::gauge!("cogwire_predictions_queued").set(load.queued as f64);
        metrics::gauge!("cogwire_predictions_running").set(load.running as f64);
        metrics::gauge!("cogwire_webhook_pending").set(backlog.pending as f64);
        metrics::gauge!("cogwire_webhook_due").set(backlog.due as f64);
        metrics::gauge!("cogwire_webhook_oldest_pending_seconds").set(oldest);
        metrics::gauge!("cogwire_webhook_exhausted").set(backlog.exhausted as f64);
        Ok(Round::Done)
    }

    fn publish_instances(&self) {
        let counts = Engine(self.shared.clone()).count_instances();
        // The set is whole after every statement.
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.extend(counts.keys().cloned());
        for series in &*published {
            let (model, state) = series;
            metrics::gauge!("cogwire_model_instances", "model" => model.to_string(), "state" => *state)
                .set(f64::from(counts.get(series).copied().unwrap_or_default()));
        }
    }
}

impl Activity for Figures {
    fn name(&self) -> &'static str {
        "figures"
    }

    fn activate(&self) -> RoundFuture<'_> {
        Box::pin(self.publish())
    }
}

impl Engine {
    /// The instances of this node, and the versions that it should run and cannot run yet.
    fn count_instances(&self) -> BTreeMap<Series, u32> {
        let instances = self.instances().into_iter().map(|it| (it.model, it.figures.state.as_str()));
        let unready = self.unready_models().into_iter().map(|it| (it.model, word(&it.unready)));
        let mut counts = BTreeMap::new();
        for series in instances.chain(unready) {
            *counts.entry(series).or_default() += 1;
        }
        counts
    }
}

fn word(unready: &Unready) -> &'static str {
    match unready {
        Unready::Preparing => "preparing",
        Unready::Failed(_) => "failed",
    }
}
