//! Sends webhooks. The only crate that talks to a user's URL.

pub mod guard;
