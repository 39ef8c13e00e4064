//! What the process says about itself: the log on stderr, metrics, and traces.

mod chain;
mod log;
mod metrics;
mod traces;

pub(crate) use chain::Chain;
pub use log::{start_log, start_quiet_log};
pub use metrics::{silent_metrics, start_metrics};
pub use traces::{SpanExporter, spans};
