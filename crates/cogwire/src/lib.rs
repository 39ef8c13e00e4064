//! Cogwire: Replicate's HTTP API on your own machine.
//!
//! This crate is the only one that knows HTTP routes, the command line and the configuration. It puts the others together.

pub mod api;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod lifecycle;
pub mod server;
pub mod telemetry;
