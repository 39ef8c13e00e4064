//! Medians and percentiles.

use std::time::Duration;

/// The middle one of some figures; not a number when there are none.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    percentile(&sorted(figures), 50.0)
}

/// The 50th and the 99th percentile of some times, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Spread {
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let times = sorted(times.into_iter().map(|time| time.as_secs_f64() * 1000.0));
        Self { p50: percentile(&times, 50.0), p99: percentile(&times, 99.0) }
    }

    /// How much higher these are than others.
    pub(crate) fn above(self, other: Self) -> Self {
        Self { p50: self.p50 - other.p50, p99: self.p99 - other.p99 }
    }

    /// These over others.
    pub(crate) fn over(self, other: Self) -> Self {
        Self { p50: self.p50 / other.p50, p99: self.p99 / other.p99 }
    }

    /// The medians of several rounds.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        Self {
            p50: median(rounds.iter().map(|round| round.p50)),
            p99: median(rounds.iter().map(|round| round.p99)),
        }
    }
}

fn sorted(figures: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures
}

/// The nearest rank: the smallest figure that at least `percent` of all do not exceed.
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([7.0]), 7.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let spread = Spread::of((1..=200).map(Duration::from_millis));
        assert_eq!((spread.p50, spread.p99), (100.0, 198.0));
    }
}
