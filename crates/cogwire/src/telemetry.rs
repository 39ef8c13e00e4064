//! What the process says about itself: the log on stderr, and metrics.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// What is logged when `RUST_LOG` says nothing. Requests to a storage that are tried again are nobody's business.
const DEFAULT_FILTER: &str = "info,object_store=warn";

/// Upper bounds for times, from a commit to a long request, in seconds.
const SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// Upper bounds for the start of a model, which may load gigabytes, in seconds.
const STARTS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Upper bounds for numbers of things.
const NUMBERS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0];

impl LogFormat {
    /// Whether the log is for people, seeing where it goes.
    pub fn is_text(self) -> bool {
        match self {
            Self::Text => true,
            Self::Json => false,
            Self::Auto => std::io::stderr().is_terminal(),
        }
    }
}

/// Starts the log. A second call changes nothing.
pub fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // The only error is that there is a log already, as in a process that starts two servers.
    let _ = if format.is_text() { log.try_init() } else { log.json().flatten_event(true).try_init() };
}

/// Starts a log of what is wrong only, for commands that print something else.
pub fn start_quiet_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// Makes this process's metrics, and what renders them.
///
/// # Errors
/// When the process has metrics already.
pub fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = builder()?.install_recorder()?;
    metrics::gauge!("cogwire_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// Metrics that nothing is recorded in, for a server in a process that records its own.
///
/// # Errors
/// Never: the bounds of the histograms are constants.
pub fn silent_metrics() -> Result<PrometheusHandle, BuildError> {
    Ok(builder()?.build_recorder().handle())
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("cogwire_model_start_seconds".to_owned()), &STARTS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &NUMBERS)
}
