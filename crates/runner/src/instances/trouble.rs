//! What failures mean for the next start: how long to wait, and when to stop hoping.

use std::sync::Arc;
use std::time::Duration;

/// After so many failures without a job that succeeded, jobs are refused while the pause lasts.
const POISONED: u32 = 3;

/// The pause after the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The failures since the last job that succeeded: crashes, and starts that came to nothing.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    failures: u32,
    last: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    cause: Arc<str>,
    retry_at: Duration,
}

impl Trouble {
    /// Adds a failure. Nothing is started until the pause after it is over.
    pub(super) fn add(&mut self, cause: Arc<str>, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.last = Some(Failure { cause, retry_at: now.saturating_add(pause(self.failures)) });
    }

    /// Whether the pause after the last failure is not over.
    pub(super) fn holds_back(&self, now: Duration) -> bool {
        self.retry_at().is_some_and(|retry_at| now < retry_at)
    }

    /// When the pause after the last failure is over.
    pub(super) fn retry_at(&self) -> Option<Duration> {
        self.last.as_ref().map(|failure| failure.retry_at)
    }

    /// How many there are.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// What the last failure was, once there are so many that the version counts as failed.
    pub(super) fn poison(&self) -> Option<&Arc<str>> {
        self.last.as_ref().filter(|_| self.failures >= POISONED).map(|failure| &failure.cause)
    }

    /// What the last failure was.
    pub(super) fn cause(&self) -> Option<&Arc<str>> {
        self.last.as_ref().map(|failure| &failure.cause)
    }

    /// Why a job is not even tried now, if it is not.
    pub(super) fn refusal(&self, now: Duration) -> Option<String> {
        let cause = self.poison().filter(|_| self.holds_back(now))?;
        let wait = self.retry_at()?.saturating_sub(now).as_millis().div_ceil(1000);
        Some(format!("{cause} (failure {} in a row; the model is tried again in {wait} s)", self.failures))
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pauses: Vec<u64> = (1..=9).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn the_third_failure_refuses_until_its_pause_is_over() {
        let mut trouble = Trouble::default();
        assert!(!trouble.holds_back(Duration::ZERO));
        for failures in 1..=2 {
            trouble.add("It broke.".into(), SECOND * failures);
            assert!(trouble.holds_back(SECOND * failures));
            assert_eq!(trouble.refusal(SECOND * failures), None);
        }
        trouble.add("It broke again.".into(), SECOND * 10);
        assert_eq!(
            trouble.refusal(SECOND * 10 + Duration::from_millis(1)).as_deref(),
            Some("It broke again. (failure 3 in a row; the model is tried again in 4 s)")
        );
        assert_eq!(trouble.refusal(SECOND * 14), None);
        assert_eq!(trouble.poison().map(|cause| &**cause), Some("It broke again."));
    }
}
