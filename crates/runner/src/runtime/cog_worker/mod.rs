//! Runs Cog models as processes of this machine, without a container and without Cog's HTTP server.
//!
//! Speaks to the worker that Cog's server would start: a control channel on its standard streams, and a socket for
//! each slot. So every line and every token is seen when it is said, files are seen as files, and how a process ended
//! is known. A file of ours, `shim.py`, stands between the worker and the model and repairs what the worker loses.
//! Where the environment of a model comes from is not known here.

mod control;
mod frames;
mod handover;
mod launcher;
mod mark;
mod metrics;
mod output;
mod protocol;
mod run;
mod start;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use launcher::CogWorkers;
