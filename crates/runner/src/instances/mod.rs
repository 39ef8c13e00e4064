//! Running models that are started, kept, replaced and stopped as they are needed.
//!
//! Knows when an instance should be there and which job it gets, and nothing of how a model is started or spoken
//! to: that is the business of a [`instance::Launcher`].

pub(crate) mod boot;
mod counted;
mod fleet;
pub(crate) mod instance;
mod life;
pub(crate) mod once;
pub(crate) mod plan;
pub(crate) mod pool;
mod report;
mod seat;
mod trouble;

#[cfg(test)]
mod tests;

pub use fleet::Scale;
pub use pool::WarmUp;
pub use report::{BootPhase, BootProgress, InstanceFigures, InstanceReport, InstanceState};
