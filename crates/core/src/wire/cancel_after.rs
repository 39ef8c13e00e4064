//! The `Cancel-After` header of a create: how long a prediction may live.

use std::time::Duration;

/// The shortest life, Replicate's.
const SHORTEST: Duration = Duration::from_secs(5);
/// The longest life, Replicate's.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The header is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCancelAfter {
    /// It is not a duration.
    #[error(
        "Cancel-After {0:?} is not a duration: write seconds, or hours, minutes and seconds as in 90, 30s, 5m or 1h30m45s"
    )]
    Malformed(String),
    /// It is a duration out of bounds.
    #[error("Cancel-After {0:?} is out of bounds: the shortest is 5 seconds, the longest 24 hours")]
    OutOfBounds(String),
}

/// Reads the value of the header: whole seconds, or hours, minutes and seconds in this order, each at most once.
///
/// # Errors
/// When it is anything else, shorter than 5 seconds or longer than 24 hours.
pub fn parse_cancel_after(value: &str) -> Result<Duration, InvalidCancelAfter> {
    let shown = || value.chars().take(40).collect();
    let seconds = seconds(value.trim()).ok_or_else(|| InvalidCancelAfter::Malformed(shown()))?;
    let duration = Duration::from_secs(seconds);
    if (SHORTEST..=LONGEST).contains(&duration) {
        Ok(duration)
    } else {
        Err(InvalidCancelAfter::OutOfBounds(shown()))
    }
}

fn seconds(text: &str) -> Option<u64> {
    if let Some(seconds) = number(text) {
        return Some(seconds);
    }
    let (mut rest, mut total) = (text, 0u64);
    for (unit, worth) in [('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((digits, after)) = rest.split_once(unit) {
            total = total.saturating_add(number(digits)?.saturating_mul(worth));
            rest = after;
        }
    }
    (rest.is_empty() && !text.is_empty()).then_some(total)
}

/// A number of any length; what does not fit is out of bounds anyway.
fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_that_are_read() {
        let table = [
            ("5", 5),
            ("86400", 86_400),
            ("30s", 30),
            ("5m", 300),
            ("24h", 86_400),
            ("2h30m", 9000),
            ("1h30m45s", 5445),
            ("1h5s", 3605),
            ("0h0m10s", 10),
            ("007", 7),
        ];
        for (text, seconds) in table {
            assert_eq!(parse_cancel_after(text), Ok(Duration::from_secs(seconds)), "for {text}");
        }
    }

    #[test]
    fn durations_that_are_refused() {
        for text in [
            "", "s", "m5", "soon", "1.5m", "-5", "+5", "5 m", "5ms", "1m1h", "5s5s", "1h2h", "5d", "5m5",
            "1H", "٥",
        ] {
            let malformed = Err(InvalidCancelAfter::Malformed(text.to_owned()));
            assert_eq!(parse_cancel_after(text), malformed, "for {text}");
        }
        for text in [
            "0",
            "4",
            "4s",
            "0m",
            "86401",
            "25h",
            "24h1s",
            "99999999999999999999999s",
            "9999999999999999999h",
        ] {
            let bounds = Err(InvalidCancelAfter::OutOfBounds(text.to_owned()));
            assert_eq!(parse_cancel_after(text), bounds, "for {text}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_is_within_its_bounds(text in "\\PC{0,20}|([0-9]{0,4}[hms]?){0,4}") {
            if let Ok(duration) = parse_cancel_after(&text) {
                prop_assert!((SHORTEST..=LONGEST).contains(&duration));
            }
        }

        #[test]
        fn units_add_up(hours in 0u64..23, minutes in 0u64..60, seconds in 5u64..60) {
            let text = format!("{hours}h{minutes}m{seconds}s");
            let total = hours * 3600 + minutes * 60 + seconds;
            prop_assert_eq!(parse_cancel_after(&text), Ok(Duration::from_secs(total)));
        }
    }
}
