//! What is durable. The only crate that knows SQL.
//!
//! A trait for each consumer; [`Store`] is all of them. Methods are whole use cases, each one atomic: either all of it is
//! durable when the future is ready, or none of it is. Outcomes that a caller must tell apart are enums; times are
//! arguments. No method hands out a transaction.
//!
//! Three numbers are never mixed: `lease_no` (the fence: it grows whenever a prediction or lane changes hands), `run`
//! (executions of a prediction) and `attempt` (requests to a receiver).

pub mod account;
pub mod catalog;
mod change;
#[cfg(feature = "contract")]
#[doc(hidden)]
pub mod contract;
pub mod delivery;
mod error;
pub mod event;
pub mod failpoint;
pub mod handoff;
mod lane;
pub mod lease;
mod migration;
pub mod node;
pub mod postgres;
pub mod prediction;
mod report;
mod secret;
pub mod signal;
pub mod sqlite;
pub mod transfer;
pub mod upload;

pub use account::AccountStore;
pub use catalog::CatalogStore;
pub use delivery::DeliveryStore;
pub use error::{Error, Result};
pub use event::EventStore;
pub use handoff::{Handoff, HandoffPermit, LaneInbox};
pub use lease::NodeLease;
pub use migration::SchemaVersion;
pub use node::{NodeEpoch, NodeStore};
pub use postgres::{PostgresOptions, PostgresStore};
pub use prediction::PredictionStore;
pub use signal::{Signal, SignalStore};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use transfer::TransferStore;
pub use upload::UploadStore;

/// Everything that is durable.
pub trait Store:
    PredictionStore
    + DeliveryStore
    + EventStore
    + CatalogStore
    + AccountStore
    + UploadStore
    + NodeStore
    + SignalStore
    + TransferStore
{
}

impl<T> Store for T where
    T: PredictionStore
        + DeliveryStore
        + EventStore
        + CatalogStore
        + AccountStore
        + UploadStore
        + NodeStore
        + SignalStore
        + TransferStore
{
}
