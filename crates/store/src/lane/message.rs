//! Messages as they are stored first.

use bytes::Bytes;
use cogwire_core::prediction::Transition;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent;
use sha2::{Digest, Sha256};

use crate::delivery::DeliveryState;

/// A message that becomes a row. Whose it is and where it goes is in the row of its lane.
#[derive(Debug, Clone)]
pub(crate) struct NewMessage {
    pub(crate) seq: u32,
    pub(crate) event: WebhookEvent,
    pub(crate) state: DeliveryState,
    /// Only final messages keep their bytes.
    pub(crate) body: Option<Bytes>,
    pub(crate) body_sha256: [u8; 32],
    pub(crate) size: u64,
    /// Progress messages that it took the place of.
    pub(crate) superseded: u32,
    pub(crate) next_attempt_at: Option<Timestamp>,
    /// The fence under which it is sent; 0 while it has not been.
    pub(crate) lease_no: u64,
    pub(crate) created_at: Timestamp,
}

/// The bytes of a final message, with their hash.
#[derive(Debug, Clone)]
pub(crate) struct FinalBody {
    pub(crate) bytes: Bytes,
    pub(crate) sha256: [u8; 32],
}

impl FinalBody {
    /// The body of the message that a transition asks for, if it asks for one. Hashing takes a while: do it where nobody waits.
    pub(crate) fn of(transition: &Transition) -> Option<Self> {
        let completed = transition.wants().completed.as_ref()?;
        let bytes = Bytes::copy_from_slice(completed.body.as_bytes());
        Some(Self { sha256: Sha256::digest(&bytes).into(), bytes })
    }
}
