//! The tests' server, receiver and verbs.

mod app;
mod clock;
mod collector;
mod http;
mod log;
mod process;
mod receiver;
mod server;
mod sse;
mod store;

pub(crate) use app::{Options, TestApp, hello, pause};
pub(crate) use collector::{Collector, Seen};
pub(crate) use http::{Http, Reply, read, send, try_send};
pub(crate) use log::Log;
pub(crate) use process::{Process, TOKEN, cogwire, output, serve, serve_at};
pub(crate) use receiver::{Behaviour, Manner, Receiver, Webhook};
pub(crate) use sse::{Sse, read_stream};
pub(crate) use store::TestStore;

/// `replicate/hello-world`, as newer documentation names it.
pub(crate) const HELLO: &str = "9dcd6d78e7c6560c340d916fe32e9f24aabfa331e5cce95fe31f77fb03121426";
/// `replicate/hello-world`, as older documentation names it.
pub(crate) const HELLO_OLD: &str = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa";
/// `zeke/chaos-monkey`.
pub(crate) const CHAOS: &str = "0098011f5f482d1fcdbbba44ef1d6d22858e439a103b6ebb449ef9dec623a71e";
/// What `acme/story` says, piece by piece.
pub(crate) const STORY: [&str; 6] = ["Once ", "upon ", "a ", "time\n", "there ", "was."];
