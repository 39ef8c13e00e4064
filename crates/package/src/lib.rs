//! What a model is made of: a folder with a `cog.yaml`, and how it becomes something that can be started.
//!
//! [`CogConfig`] reads the folder's `cog.yaml` and says what of it cannot be honoured. [`pack`] makes one stream of
//! the folder whose SHA-256 names its content, and [`unpack`] makes a folder of it again. [`Environments`] installs
//! what the model needs, once for each set of requirements. [`inspect`] finds out what the model takes and gives.
//!
//! This crate knows folders, YAML, tar and Python's tools. It does not know where packages are stored, who asks for
//! them, or how a model is run afterwards.

mod child;
mod config;
mod environment;
mod inspect;
mod links;
mod pack;
mod unpack;

pub use config::{CogConfig, ConfigError, Problem, PythonVersion, Reference, Requirements};
pub use environment::{Environment, EnvironmentError, Environments, Progress, Request};
pub use inspect::{InspectError, Inspection, Manner, SchemaSource, how_it_runs, inspect};
pub use pack::{PackError, Packed, pack};
pub use unpack::{Limits, UnpackError, remove_leftovers, unpack};
