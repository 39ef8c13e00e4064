//! Delivery over real sockets and a real store, to receivers that behave and to receivers that do not.

#![expect(clippy::panic, reason = "a helper that fails a test says what it saw")]

mod addresses;
mod bypass;
mod circuits;
mod egress;
mod engine;
mod http;
mod options;
mod support;
mod tls;
