//! Sends webhooks. The only crate that talks to a user's URL.
//!
//! [`Delivery`] owns when and what: it takes lanes, one message of a lane at a time, in order, and records every attempt.
//! [`sink`] owns how, and [`guard`] decides where to. What is owed, and when it is due, is decided in `cogwire_core` and made
//! durable by `cogwire_store`: nothing here is true that is not in the store, so a crash at any point loses nothing.

mod attempt;
mod circuit;
mod config;
mod due;
mod end;
mod engine;
pub mod guard;
mod gzip;
mod health;
mod message;
mod metrics;
mod obstacle;
mod origin;
mod printable;
mod record;
mod report;
mod roster;
mod secrets;
pub mod sink;
mod span;
mod verdict;

pub use config::DeliveryConfig;
pub use engine::{Delivery, Parts};
pub use guard::{Allow, Blocked, Guard, Policy};
pub use sink::http::{ClientCertificate, CustomHeader, HttpConfig, HttpSink, Proxy, SystemResolver};
pub use sink::{Answer, Class, Seen, SeenResponse, Sink};
