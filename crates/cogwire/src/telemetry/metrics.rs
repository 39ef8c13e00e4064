//! Metrics, as Prometheus reads them.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds for times, from a commit to a long request, in seconds.
const SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// Upper bounds for the start of a model, which may load gigabytes, in seconds.
const STARTS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Upper bounds for numbers of things.
const NUMBERS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0];

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
