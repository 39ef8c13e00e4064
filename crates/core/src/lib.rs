//! What is true about predictions, models and webhooks, decided without clock, disk or network.
//!
//! This crate has no runtime, no IO, no clock read and no randomness of its own, and does not panic on input. Everything
//! here is a value or a pure function; the other crates make it happen.

pub mod id;
pub mod input;
pub mod json;
pub mod link;
pub mod model;
pub mod names;
pub mod prediction;
pub mod recipe;
pub mod size;
pub mod time;
pub mod trace;
pub mod variables;
pub mod webhook;
pub mod wire;
