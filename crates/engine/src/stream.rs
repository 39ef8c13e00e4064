//! Following a prediction's events as they become durable.

use std::sync::Arc;

use cogwire_core::id::PredictionId;
use cogwire_store::prediction::StreamPage;

use crate::Shared;
use crate::error::Error;
use crate::hub::Subscription;

/// The most events that one page brings.
const PAGE: u32 = 1000;

/// A reader of one prediction's events.
pub struct Follow {
    shared: Arc<Shared>,
    subscription: Subscription,
    id: PredictionId,
    next: u64,
}

impl Follow {
    pub(crate) fn new(shared: Arc<Shared>, id: PredictionId, from: u64) -> Self {
        // Subscribed before the first read: what is committed in between is signalled.
        let subscription = shared.hub.subscribe(id);
        Self { shared, subscription, id, next: from }
    }

    /// The number of the next event that this reader has not seen.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Waits until there are events that this reader has not seen, or the prediction has ended, and gives them without
    /// those seen before. `None` when there is no such prediction. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<StreamPage>, Error> {
        loop {
            let Some(page) = self.shared.store.stream_from(self.id, self.next, PAGE).await? else {
                return Ok(None);
            };
            let page = self.unseen(page);
            if !page.chunks.is_empty() || (page.status.is_terminal() && page.complete) {
                self.next = page.chunks.last().map_or(self.next, cogwire_core::prediction::Chunk::end);
                return Ok(Some(page));
            }
            tokio::select! {
                _ = self.subscription.changed() => {}
                () = self.shared.clock.sleep(self.shared.config.poll) => {}
            }
        }
    }

    fn unseen(&self, mut page: StreamPage) -> StreamPage {
        page.chunks.retain(|chunk| chunk.end() > self.next);
        if let Some(first) = page.chunks.first_mut().filter(|first| first.first < self.next) {
            let seen = (self.next - first.first) as usize;
            first.events.drain(..seen);
            first.first = self.next;
        }
        page
    }
}
