//! The engine's bounds and times.

use std::time::Duration;

use cogwire_core::prediction::Limits;

/// How the engine runs predictions.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// How long a prediction may queue, start and run.
    pub limits: Limits,
    /// Whether this node runs predictions. One that does not still ends what is overdue.
    pub runs: bool,
    /// The most predictions that run on this node at once.
    pub max_running: usize,
    /// The most that a run may say in all, in bytes of logs, output and metrics: it is in memory while it runs.
    pub max_content: usize,
    /// The shortest time between two commits of a run's progress.
    pub stream_flush: Duration,
    /// How often a prediction may be begun before it is given up, when the server stops each time.
    pub max_runs: u32,
    /// How long input, output, logs and files are kept after the end; `None` keeps them for ever.
    pub retention: Option<Duration>,
    /// How long delivered and given-up messages are kept; `None` keeps them for ever.
    pub webhook_retention: Option<Duration>,
    /// How long it is kept what an attempt sent and what came back; `None` keeps it as long as the message.
    pub webhook_report_retention: Option<Duration>,
    /// How long the node's lease lasts without a sign of life. It must be longer than a delivery attempt.
    pub lease: Duration,
    /// How long an `Idempotency-Key` is remembered.
    pub idempotency: Duration,
    /// How files in outputs are shown.
    pub output_files: OutputFiles,
    /// How often the store is asked for work that no signal announced.
    pub poll: Duration,
    /// How often retention looks for what is due.
    pub sweep: Duration,
    /// The most rows that one sweep removes in one commit.
    pub sweep_batch: u32,
}

/// How files in outputs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFiles {
    /// As signed URLs.
    Url,
    /// As data URLs, up to [`MAX_DATA_URL`] bytes; larger files as signed URLs.
    Data,
}

/// The largest file that is shown as a data URL, in bytes.
pub const MAX_DATA_URL: u64 = 1 << 20;

impl Default for EngineConfig {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            limits: Limits::default(),
            runs: true,
            max_running: 10_000,
            max_content: 64 << 20,
            stream_flush: Duration::from_millis(25),
            max_runs: 3,
            retention: Some(7 * DAY),
            webhook_retention: Some(7 * DAY),
            webhook_report_retention: Some(3 * DAY),
            lease: Duration::from_secs(30),
            idempotency: DAY,
            output_files: OutputFiles::Url,
            poll: Duration::from_secs(1),
            sweep: Duration::from_secs(60),
            sweep_batch: 200,
        }
    }
}
