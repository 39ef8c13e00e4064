//! Runs models: gives them an input, and reports what they say as [`RunEvent`]s.
//!
//! The runner knows neither the store nor files nor webhooks: it is given a [`Job`] and a token that stops it, and sends
//! events down a bounded channel. A caller that reads slowly slows the model down; a caller that drops the channel stops it.

mod catalogue;
mod declared;
pub mod event;
mod instances;
mod process;
mod reporter;
mod runner;
mod runtime;
mod schema;
mod temporary;

#[cfg(test)]
mod testing;

use cogwire_core::id::{PredictionId, VersionId};
use cogwire_core::json::Json;
use cogwire_core::prediction::Kind;
use cogwire_core::trace::SpanContext;
use tokio::sync::mpsc;

pub use catalogue::{CatalogueEntry, RunnableModel};
pub use event::{End, FileContent, Output, Produced, ProducedFile, RunEvent};
pub use instances::{BootPhase, BootProgress, InstanceFigures, InstanceReport, InstanceState, Scale, WarmUp};
pub use runner::{Runner, UnknownVersion};
pub use runtime::builtin::models as builtin_models;
pub use runtime::cog_http::{
    CallbackRegistry, Callbacks, CogFacts, CogServer, CogServerError, InvalidServerUrl,
};
pub use runtime::cog_model::{CogModel, ProcessConfig, Surroundings};
pub use runtime::scripted::{Problem, ScriptError, Scripts};
pub use schema::NOT_COG;
pub use temporary::TemporaryFile;

/// The most events of one run that wait to be read.
pub const EVENT_QUEUE: usize = 64;

/// One prediction to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// The prediction, for logs and for models that want to know.
    pub prediction: PredictionId,
    /// The version to run.
    pub version: VersionId,
    /// Whether the version predicts or is trained.
    pub kind: Kind,
    /// The input, already validated.
    pub input: Json,
    /// The span that whatever the model does belongs to.
    pub trace: Option<SpanContext>,
}

/// A run that is under way.
#[derive(Debug)]
pub struct Run {
    /// What the model says; closed after [`RunEvent::Ended`]. A cancelled run that waits for a place in the channel stops
    /// at once, but its end is said only when there is a place for it: keep reading.
    pub events: mpsc::Receiver<RunEvent>,
}
