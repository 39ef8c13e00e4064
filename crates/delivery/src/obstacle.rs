//! Why a step could not make its attempt, although something is due.

use cogwire_core::prediction::AccountId;
use cogwire_store as store;

/// Something on this side is in the way. Nothing was sent and no attempt is spent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Obstacle {
    /// The store failed.
    #[error("could not {0}")]
    Store(&'static str, #[source] store::Error),
    /// Nothing can sign.
    #[error("account {0} has no signing secret: set one")]
    NoSecret(AccountId),
    /// An attempt might outlast the node's lease.
    #[error("the node's lease is about to end")]
    LeaseTooShort,
    /// The store owes a message and has nothing of it.
    #[error("the database has lost the body of a message that is due; a backup may have it")]
    NoBytes,
    /// The lane is not this node's any more, or was freed because something else is due.
    #[error("the lane is not held any more")]
    NotHeld,
}
