//! Running models that are started, kept, replaced and stopped as they are needed.
//!
//! Knows when an instance should be there and which job it gets, and nothing of how a model is started or spoken to: that is
//! the business of a [`instance::Launcher`].

pub(crate) mod boot;
pub(crate) mod instance;
