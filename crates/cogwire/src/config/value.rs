//! Times as people write them.

use std::time::Duration;

/// Reads `500ms`, `30s`, `10m`, `1h`, `7d`, or several of them in a row. A number without a unit is refused, because
/// half of its readers would take it for milliseconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, next) = after.split_at(letters);
        total = total.checked_add(unit_of(unit)?.checked_mul(number.try_into().ok()?)?)?;
        rest = next.trim_start();
    }
    Some(total)
}

/// A time as [`duration`] reads it, in whole milliseconds.
pub(super) fn written(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// Reads a time as [`duration`] does, or `never`.
pub(super) fn retention(text: &str) -> Option<Option<Duration>> {
    if text.trim() == "never" { Some(None) } else { duration(text).map(Some) }
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

fn unit_of(unit: &str) -> Option<Duration> {
    Some(match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" | "min" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        "d" => Duration::from_secs(86_400),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let cases = [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("1h30m", Some(5_400_000)),
            ("1d 12h", Some(129_600_000)),
            ("0s", Some(0)),
            ("", None),
            ("7", None),
            ("7x", None),
            ("-1s", None),
            ("1.5h", None),
            ("99999999999999999999s", None),
            ("9999999999999999999d", None),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "for {text:?}");
        }
        assert_eq!(retention("never"), Some(None));
        assert_eq!(retention("1h"), Some(Some(Duration::from_secs(3600))));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (millis, text) in [(30_000, "30s"), (1_800, "1800ms"), (0, "0s")] {
            let time = Duration::from_millis(millis);
            assert_eq!((written(time).as_str(), duration(text)), (text, Some(time)));
        }
    }
}
