//! Owing a message again.

use cogwire_core::id::DeliveryId;
use cogwire_core::prediction::AccountId;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::webhook::pacing::Lane;

use super::{LaneRow, Write};
use crate::delivery::{DeliveryState, ResendOutcome};

/// A stored message that somebody wants to be sent again.
#[derive(Debug, Clone)]
pub(crate) struct SentMessage {
    pub(crate) id: DeliveryId,
    pub(crate) account: AccountId,
    pub(crate) url: String,
    pub(crate) origin: String,
    pub(crate) options: WebhookOptions,
    pub(crate) state: DeliveryState,
    pub(crate) has_body: bool,
    pub(crate) attempts: u32,
    /// The fence under which it was last sent.
    pub(crate) lease_no: u64,
}

impl SentMessage {
    /// Why it is not sent again, if it is not.
    pub(crate) fn refusal(&self) -> Option<ResendOutcome> {
        if !self.has_body {
            return Some(ResendOutcome::NotStored);
        }
        let is_under_way = matches!(self.state, DeliveryState::Pending | DeliveryState::Sending);
        is_under_way.then_some(ResendOutcome::AlreadyPending)
    }

    /// Whether it was given up and can be sent again.
    pub(crate) fn is_given_up(&self) -> bool {
        self.state == DeliveryState::Exhausted && self.has_body
    }

    /// Its lane was forgotten, and is made anew. The fence goes on from where it was, so that whoever sent it before does not
    /// hold it.
    fn into_lane(self) -> LaneRow {
        LaneRow {
            prediction: self.id.prediction,
            account: self.account,
            url: self.url,
            origin: self.origin,
            options: self.options,
            due_at: None,
            owner: None,
            lease_no: self.lease_no,
            in_flight: None,
            progress_revision: 0,
            lane: Lane { next_seq: self.id.seq + 1, open: false, ..Lane::default() },
        }
    }
}

/// The lane that owes the message again, due now.
pub(crate) fn owe_again(message: SentMessage, stored: Option<LaneRow>, now: Timestamp) -> (LaneRow, Write) {
    let is_stored = stored.is_some();
    let (seq, attempts) = (message.id.seq, message.attempts);
    let mut row = stored.unwrap_or_else(|| message.into_lane());
    row.lane.resend(seq, attempts, now);
    row.leave(now);
    let write = row.write(is_stored);
    (row, write)
}
