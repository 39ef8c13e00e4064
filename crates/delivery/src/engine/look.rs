//! What the store is asked for: whatever is due, or something for one origin that is down.

use std::sync::Arc;

use cogwire_core::time::Timestamp;
use cogwire_store::delivery::{ClaimedLane, LaneClaim, LaneClaims, OriginCursor};
use cogwire_store::handoff::Place;
use cogwire_store::{self as store, failpoint};

use crate::circuit::TooOld;
use crate::record::Recorder;

/// What to look for.
#[derive(Debug, Clone)]
pub(super) enum Look {
    /// Lanes that are due, of any origin but those to skip.
    Due { skip: Arc<[String]>, after: Option<OriginCursor> },
    /// One message with which to find out whether its origin is still down.
    Probe(Arc<str>),
    /// Messages that have waited too long for an origin that is down.
    TooOld(Arc<str>, TooOld),
}

/// What came of a look.
pub(super) struct Looked {
    pub(super) look: Look,
    pub(super) places: Vec<Place>,
    pub(super) claims: store::Result<LaneClaims>,
}

impl Look {
    /// How many lanes to take at the most.
    pub(super) fn most(&self, batch: usize) -> usize {
        if matches!(self, Self::Probe(_)) { 1 } else { batch }
    }

    fn claim(&self, limit: u32, per_origin: u32, now: Timestamp) -> LaneClaim {
        let only = |origin: &Arc<str>| Some(origin.to_string());
        match self {
            Self::Due { skip, after } => {
                let (skip, after) = (Arc::clone(skip), after.clone());
                LaneClaim { skip, after, ..LaneClaim::of_any(limit, per_origin, now) }
            }
            Self::Probe(origin) => LaneClaim { only: only(origin), ..LaneClaim::of_any(limit, limit, now) },
            Self::TooOld(origin, TooOld { due_before, .. }) => {
                LaneClaim { only: only(origin), ..LaneClaim::of_any(limit, limit, *due_before) }
            }
        }
    }

    /// Looks, and claims what is there.
    pub(super) async fn make(
        self,
        recorder: Recorder,
        per_origin: usize,
        now: Timestamp,
        places: Vec<Place>,
    ) -> Looked {
        let bounded = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let claim = self.claim(bounded(places.len()), bounded(per_origin), now);
        let claims = recorder.store.claim_lanes(&recorder.node, claim).await;
        if claims.as_ref().is_ok_and(|claims| !claims.lanes.is_empty()) {
            failpoint::reached("lanes.claimed");
        }
        Looked { look: self, places, claims }
    }
}

/// Since when the final message of a lane has waited, if there is one.
pub(super) fn waits_since(lane: &ClaimedLane) -> Option<Timestamp> {
    let last = lane.lane.last.as_ref()?;
    Some(last.first_attempt_at.unwrap_or(last.due_at).min(last.due_at))
}
