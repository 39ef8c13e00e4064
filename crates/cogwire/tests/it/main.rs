//! Everything that a user of the server sees, in one binary: one file per feature, one harness.

#![expect(clippy::panic, reason = "a helper that fails a test says what it saw")]

mod harness;

mod cancel;
mod cli;
mod cluster;
mod crash;
mod create;
mod database_url;
mod errors;
mod events;
mod files;
mod idempotency;
mod list;
mod models;
mod promises;
mod receivers;
mod resend;
mod restart;
mod retention;
mod roles;
mod secrets;
mod stream;
mod surface;
mod tail;
mod traces;
mod transfer;
mod trigger;
mod uploads;
mod wait;
mod webhooks;
mod webhooks_interop;
mod webhooks_options;
