//! Percentiles of what happened between two readings of a Prometheus histogram.

use crate::statistics::Spread;

/// A histogram as the server's `/metrics` shows it: upper bounds in seconds with how many were at most that.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    /// Reads one histogram out of a page of metrics; empty when it is not there.
    pub(crate) fn read(page: &str, name: &str) -> Self {
        let prefix = format!("{name}_bucket{{");
        Self(page.lines().filter_map(|line| bucket(line.strip_prefix(&prefix)?)).collect())
    }

    /// The 50th and 99th percentile of what was counted since `earlier`, in milliseconds. Within a bucket, times are
    /// taken to be spread evenly.
    pub(crate) fn since(&self, earlier: &Self) -> Spread {
        let before =
            |bound: f64| earlier.0.iter().find(|(other, _)| *other == bound).map_or(0.0, |(_, count)| *count);
        let counts: Vec<_> = self.0.iter().map(|&(bound, count)| (bound, count - before(bound))).collect();
        Spread { p50: quantile(&counts, 0.50) * 1000.0, p99: quantile(&counts, 0.99) * 1000.0 }
    }
}

/// Reads `le="0.005"} 12`, with or without other labels.
fn bucket(rest: &str) -> Option<(f64, f64)> {
    let (labels, count) = rest.split_once("} ")?;
    let bound = labels.split(',').find_map(|label| label.strip_prefix("le="))?.trim_matches('"');
    let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
    Some((bound, count.trim().parse().ok()?))
}

fn quantile(counts: &[(f64, f64)], share: f64) -> f64 {
    let target = counts.last().map_or(0.0, |(_, all)| all * share);
    let mut lower = (0.0, 0.0);
    for &(bound, count) in counts {
        if count >= target && count > lower.1 {
            let within = (target - lower.1) / (count - lower.1);
            return if bound.is_finite() { lower.0 + (bound - lower.0) * within } else { lower.0 };
        }
        lower = (bound, count);
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.001\"} 10\nt_seconds_bucket{le=\"0.002\"} 10\n\
                          t_seconds_bucket{le=\"+Inf\"} 10\nt_seconds_sum 1\nt_seconds_count 10\n";
    const AFTER: &str = "t_seconds_bucket{le=\"0.001\"} 110\nt_seconds_bucket{le=\"0.002\"} 209\n\
                         t_seconds_bucket{le=\"+Inf\"} 210\nother_bucket{le=\"1\"} 5\n";

    #[test]
    fn percentiles_are_of_the_difference() {
        let spread = Histogram::read(AFTER, "t_seconds").since(&Histogram::read(BEFORE, "t_seconds"));
        assert!((spread.p50 - 1.0).abs() < 1e-9, "{spread:?}");
        assert!((spread.p99 - 1.9899).abs() < 1e-3, "{spread:?}");
    }

    #[test]
    fn nothing_counted_is_not_a_number() {
        assert!(Histogram::read("", "t_seconds").since(&Histogram::default()).p50.is_nan());
        let same = Histogram::read(BEFORE, "t_seconds");
        assert!(same.since(&same).p99.is_nan());
    }
}
