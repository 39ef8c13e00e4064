//! A lane as a row, and every decision about it: what a commit owes, what an attempt leaves, when a lane is forgotten.
//!
//! A store reads rows, asks here, and writes what it is told, in one transaction. So all stores decide alike, and none
//! decides by itself. Knows nothing of SQL; what to send next is for [`Lane`] to say.

mod attempt;
mod begin;
mod message;
mod owe;
mod release;
mod resend;
mod settle;

use bytes::Bytes;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::webhook::pacing::Lane;

use crate::delivery::ClaimedLane;
use crate::node::NodeEpoch;

pub(crate) use self::attempt::number_for;
pub(crate) use self::begin::{Begun, begin};
pub(crate) use self::message::{FinalBody, NewMessage};
pub(crate) use self::owe::{Owed, is_first, is_touched, owe};
pub(crate) use self::release::release;
pub(crate) use self::resend::{SentMessage, owe_again};
pub(crate) use self::settle::{Follow, Settled, final_state, recorded_before, settle};

/// A lane with where it leads and who holds it.
#[derive(Debug, Clone)]
pub(crate) struct LaneRow {
    pub(crate) prediction: PredictionId,
    pub(crate) account: AccountId,
    pub(crate) url: String,
    pub(crate) origin: String,
    pub(crate) options: WebhookOptions,
    /// When it is due, for the index; it is kept up to date while the lane is held, too.
    pub(crate) due_at: Option<Timestamp>,
    pub(crate) owner: Option<NodeEpoch>,
    pub(crate) lease_no: u64,
    /// The intermediate message that is being sent.
    pub(crate) in_flight: Option<u32>,
    /// The revision of the latest progress that was wanted.
    pub(crate) progress_revision: u64,
    pub(crate) lane: Lane,
}

/// What to do with a row of which the store has, or has not, an earlier form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// It is new.
    Insert,
    /// It has changed.
    Update,
    /// It is not needed any more.
    Delete,
    /// It is not needed, and not stored.
    Nothing,
}

impl LaneRow {
    /// Whether this node holds the lane under this fence.
    pub(crate) fn is_held_by(&self, node: &NodeEpoch, lease_no: u64) -> bool {
        self.owner.as_ref() == Some(node) && self.lease_no == lease_no
    }

    /// Makes the lane this node's.
    pub(crate) fn hold(&mut self, node: &NodeEpoch) {
        self.owner = Some(node.clone());
        self.lease_no += 1;
    }

    /// The lane for whoever holds it.
    pub(crate) fn claimed(&self, final_body: Option<Bytes>) -> ClaimedLane {
        ClaimedLane {
            prediction: self.prediction,
            account: self.account.clone(),
            url: self.url.clone(),
            origin: self.origin.clone(),
            options: self.options.clone(),
            lease_no: self.lease_no,
            lane: self.lane.clone(),
            final_body,
        }
    }

    /// The final message that the lane owes.
    pub(crate) fn final_message(&self) -> Option<DeliveryId> {
        self.lane.last.as_ref().map(|last| DeliveryId { prediction: self.prediction, seq: last.seq })
    }

    /// Makes the lane nobody's.
    fn free(&mut self) {
        self.owner = None;
        self.lease_no += 1;
        self.in_flight = None;
    }

    /// Brings `due_at` up to date at `now`. What may go out at once is due since now, or since when it was due before: lanes
    /// that wait longer go first.
    fn schedule(&mut self, now: Timestamp) {
        let earlier = self.due_at.filter(|earlier| *earlier < now);
        self.due_at = self.lane.due_at().map(|due| if due < now { earlier.unwrap_or(now) } else { due });
    }

    /// Frees the lane and says when it is due.
    fn leave(&mut self, now: Timestamp) {
        self.free();
        self.schedule(now);
    }

    /// What to do with the row. A lane is forgotten when nothing is owed and nothing will be, unless somebody works on it.
    fn write(&self, is_stored: bool) -> Write {
        let forgotten = self.owner.is_none() && self.lane.due_at().is_none() && !self.lane.open;
        match (is_stored, forgotten) {
            (true, true) => Write::Delete,
            (true, false) => Write::Update,
            (false, true) => Write::Nothing,
            (false, false) => Write::Insert,
        }
    }
}
