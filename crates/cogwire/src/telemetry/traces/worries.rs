//! What is said about spans that do not arrive: once in a while, however many they are.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::telemetry::Chain;

/// How often the log says that something is wrong with the collector.
const SAID_EVERY: Duration = Duration::from_secs(300);

/// Spans that are gone and that the log has not told of. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Losses(Arc<AtomicU64>);

impl Losses {
    pub(super) fn add(&self, spans: u64) {
        self.0.fetch_add(spans, Ordering::Relaxed);
        metrics::counter!("cogwire_spans_dropped_total").increment(spans);
    }

    fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }

    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Decides what the log is told. Times are those of the clock that does not step.
#[derive(Debug)]
pub(super) struct Worries {
    collector: String,
    losses: Losses,
    said_at: Option<Duration>,
    /// Whether the log's last word is that the collector takes nothing.
    away: bool,
}

impl Worries {
    /// About the collector at this origin.
    pub(super) fn new(collector: String, losses: Losses) -> Self {
        Self { collector, losses, said_at: None, away: false }
    }

    /// A batch was taken, but for some of its spans. A collector cannot have rejected more than it got.
    pub(super) fn sent(&mut self, spans: usize, rejected: u64, now: Duration) {
        let rejected = rejected.min(spans as u64);
        if std::mem::take(&mut self.away) {
            tracing::info!(collector = self.collector, "traces are exported again");
        }
        if rejected > 0 {
            self.losses.add(rejected);
        }
        if self.losses.count() > 0 && self.is_time(now) {
            let dropped = self.losses.take();
            tracing::warn!(
                collector = self.collector,
                dropped,
                rejected,
                "traces are incomplete: there were more spans than the collector took"
            );
        }
    }

    /// A batch could not be sent, and is tried again.
    pub(super) fn delayed(&mut self, error: &(dyn Error + 'static), now: Duration) {
        if self.is_time(now) {
            self.away = true;
            let dropped = self.losses.take();
            tracing::warn!(
                collector = self.collector,
                error = %Chain(error),
                dropped,
                "traces cannot be exported: see that this collector answers OTLP over HTTP, mostly at port 4318; \
                 spans are dropped meanwhile"
            );
        }
    }

    /// A batch could not be sent, and is gone.
    pub(super) fn lost(&mut self, spans: usize, error: &(dyn Error + 'static), now: Duration) {
        self.losses.add(spans as u64);
        self.delayed(error, now);
    }

    /// The server stopped before all was sent.
    pub(super) fn cut_short(&self) {
        tracing::warn!(
            collector = self.collector,
            "the last traces are lost: the collector did not take them in time"
        );
    }

    fn is_time(&mut self, now: Duration) -> bool {
        let due = self.said_at.is_none_or(|said| now.saturating_sub(said) >= SAID_EVERY);
        if due {
            self.said_at = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worries() -> Worries {
        Worries::new("http://collector:4318".to_owned(), Losses::default())
    }

    #[test]
    fn what_goes_on_is_said_once_in_a_while() {
        let mut worries = worries();
        let times = [0, 1, 299, 300, 301, 600].map(Duration::from_secs);
        assert_eq!(times.map(|now| worries.is_time(now)), [true, false, false, true, false, true]);
    }

    #[test]
    fn losses_are_told_when_there_is_something_to_say() {
        let (mut worries, error) = (worries(), std::io::Error::other("down"));
        worries.lost(3, &error, Duration::ZERO);
        assert_eq!(worries.losses.count(), 0, "the first time it is said at once");
        worries.lost(2, &error, Duration::from_secs(1));
        worries.sent(5, 1, Duration::from_secs(2));
        assert_eq!(worries.losses.count(), 3, "it is too early to say it again");
        worries.sent(5, 0, Duration::from_secs(400));
        assert_eq!(worries.losses.count(), 0);
    }

    #[test]
    fn no_more_is_lost_than_was_sent() {
        let mut worries = worries();
        worries.sent(1, 1, Duration::ZERO);
        worries.sent(5, u64::MAX, Duration::from_secs(1));
        assert_eq!(worries.losses.count(), 5);
    }
}
