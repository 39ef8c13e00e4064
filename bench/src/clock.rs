//! The machine's clocks, as the measurements read them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cogwire_core::time::Timestamp;

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// The time `later` after the start, for sleeping until then.
    pub(crate) fn after(self, later: Duration) -> tokio::time::Instant {
        (self.0 + later).into()
    }
}

/// The wall clock, which the server on this machine reads, too.
#[expect(clippy::disallowed_methods, reason = "a benchmark compares its clock with the server's times")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
