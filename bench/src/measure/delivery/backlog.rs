//! A start with very many webhooks that wait.

use std::path::Path;
use std::time::Duration;

use super::super::{Bench, say};
use crate::clock::Stopwatch;
use crate::server::Options;

/// How long the memory is watched after the first delivery.
const WATCHED: Duration = Duration::from_secs(10);

/// How often it is read.
const SAMPLE: Duration = Duration::from_millis(20);

/// What a start with a great backlog costs.
pub(crate) struct BacklogFigures {
    /// How many waited.
    pub(crate) waiting: usize,
    /// From the start of the process to the first webhook at its receiver, in seconds.
    pub(crate) first: f64,
    /// The most memory while deliveries go out, in MB.
    pub(crate) megabytes: f64,
}

impl Bench<'_> {
    /// One round: filling the store takes far longer than what is measured.
    pub(super) async fn backlog(&self, binary: &Path) -> anyhow::Result<Option<BacklogFigures>> {
        let Some(waiting) = self.plan.million else { return Ok(None) };
        say(&format!("{waiting} webhooks that wait"));
        let server = self.stopped_with_waiting(binary, None, waiting).await?;
        let watch = Stopwatch::start();
        let server = server.start(binary, &self.load, Options::default()).await?;
        self.sink.wait_for(1).await?;
        let first = watch.elapsed().as_secs_f64();
        let mut megabytes = server.resident_megabytes()?;
        while watch.elapsed() < WATCHED {
            tokio::time::sleep(SAMPLE).await;
            megabytes = megabytes.max(server.resident_megabytes()?);
        }
        Ok(Some(BacklogFigures { waiting, first, megabytes }))
    }
}
