//! What callers ask of the engine: create, cancel, wait, follow.

use std::sync::Arc;

use cogwire_core::id::{FileId, PredictionId};
use cogwire_core::prediction::{Event, Prediction, Request};
use cogwire_core::time::Timestamp;
use cogwire_store::prediction::{Claimed, CreateOutcome, Idempotency, Lease, NewPrediction};
use cogwire_store::{self as store, NodeEpoch, failpoint};

use crate::commit::Ending;
use crate::error::Error;
use crate::hub::Subscription;
use crate::slots::Slot;
use crate::stream::Follow;
use crate::{Engine, Shared};

/// A prediction to create. Its input is valid for its version.
#[derive(Debug, Clone)]
pub struct Create {
    /// What is asked.
    pub request: Request,
    /// The uploads that the input names: they are kept until the prediction has ended.
    pub uploads: Vec<FileId>,
    /// From `Idempotency-Key`.
    pub idempotency: Option<IdempotencyKey>,
}

/// A key under which a create happens at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The caller's key.
    pub key: String,
    /// SHA-256 of what was asked.
    pub request_sha256: [u8; 32],
}

/// What became of a create.
#[derive(Debug, Clone)]
pub enum Created {
    /// It is durable, and starting.
    New(Prediction),
    /// The key was used before for the same request: this is what it made.
    Replayed(Prediction),
    /// The key was used before for another request.
    KeyReused,
}

impl Engine {
    /// Listens for a prediction's changes. To wait for the end of one that is about to be created, subscribe first.
    pub fn subscribe(&self, id: PredictionId) -> Subscription {
        self.0.hub.subscribe(id)
    }

    /// Makes the prediction durable, and starts it at once when a slot is free. Data URLs in its input become files.
    ///
    /// # Errors
    /// When the server is stopping, or the store refuses; then nothing was created.
    pub async fn create(&self, create: Create) -> Result<Created, Error> {
        if self.0.soft.is_cancelled() {
            return Err(Error::Stopping);
        }
        let (create, files) = self.0.keep_data_urls(create).await?;
        let slot = self.0.reserve_slot(&create.request);
        let claim = slot.as_ref().map(|_| self.0.node.clone());
        let new = self.0.new_prediction(&create, claim);
        let outcome = self.0.store.create(new).await;
        failpoint::reached("create.committed");
        // A prediction that may have been created keeps its files.
        if !matches!(outcome, Ok(CreateOutcome::Created) | Err(store::Error::Uncertain(_))) {
            self.0.drop_files(&files).await;
        }
        match outcome? {
            CreateOutcome::Created => Ok(Created::New(self.0.begin_life(create.request, slot))),
            CreateOutcome::Replayed(id) => self.replayed(id).await,
            CreateOutcome::KeyReused => Ok(Created::KeyReused),
        }
    }

    /// Cancels the prediction; one that has ended stays as it is. `None` when there is none.
    ///
    /// # Errors
    /// When the store cannot be read or written; then it is not canceled.
    pub async fn cancel(&self, id: PredictionId) -> Result<Option<Prediction>, Error> {
        match self.0.end(id, Event::CancelRequested).await? {
            Ending::Unknown | Ending::GoesOn => Ok(None),
            Ending::Ended(prediction) | Ending::HadEnded(prediction) => Ok(Some(prediction)),
        }
    }

    /// Waits until the prediction has ended, `until` has come, or the server is stopping, and gives it as it is then.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn wait_ended(
        &self,
        mut subscription: Subscription,
        until: Timestamp,
    ) -> Result<Option<Prediction>, Error> {
        let id = subscription.id();
        loop {
            // What ended before the subscription is not signalled any more.
            let prediction = self.0.store.load(id).await?;
            let live = prediction.as_ref().is_some_and(|prediction| !prediction.status().is_terminal());
            if !live || self.0.clock.now() >= until || self.0.soft.is_cancelled() {
                return Ok(prediction);
            }
            self.changed_or(&mut subscription, until).await;
        }
    }

    /// Follows the prediction's events, beginning with number `from`.
    pub fn follow(&self, id: PredictionId, from: u64) -> Follow {
        Follow::new(self.0.clone(), id, from)
    }

    /// Waits until the prediction has ended, `until` has come, the server is stopping, or it is time to look again.
    async fn changed_or(&self, subscription: &mut Subscription, until: Timestamp) {
        let ended = async { while !subscription.changed().await.ended {} };
        tokio::select! {
            () = ended => {}
            () = self.0.clock.sleep(self.0.config.poll) => {}
            () = self.0.clock.sleep_until(until) => {}
            () = self.0.soft.cancelled() => {}
        }
    }

    async fn replayed(&self, id: PredictionId) -> Result<Created, Error> {
        // A key outlives its prediction's data, never its row.
        Ok(self.0.store.load(id).await?.map_or(Created::KeyReused, Created::Replayed))
    }
}

impl Shared {
    fn new_prediction(&self, create: &Create, claim: Option<NodeEpoch>) -> NewPrediction {
        let request = create.request.clone();
        let now = self.clock.now();
        let claimed_at = claim.as_ref().map(|_| now);
        let idempotency = create.idempotency.as_ref().map(|key| Idempotency {
            key: key.key.clone(),
            request_sha256: key.request_sha256,
            expires_at: now + self.config.idempotency,
        });
        let deadline =
            self.config.limits.deadline(&request, &cogwire_core::prediction::State::Starting, claimed_at);
        NewPrediction { request, claim, deadline, idempotency, uploads: create.uploads.clone() }
    }

    fn begin_life(self: &Arc<Self>, request: Request, slot: Option<Slot>) -> Prediction {
        let prediction = Prediction::new(request);
        match slot {
            Some(slot) => {
                let lease = Lease { node: self.node.clone(), lease_no: 1 };
                self.start_run(Claimed { prediction: prediction.clone(), lease, run: 1 }, slot);
            }
            None => self.announce_queued(),
        }
        prediction
    }
}
