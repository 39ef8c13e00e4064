//! Webhooks, as far as they can be decided without sending anything.

pub mod event;
pub mod options;
pub mod pacing;
pub mod schedule;
pub mod signature;
pub mod vault;
