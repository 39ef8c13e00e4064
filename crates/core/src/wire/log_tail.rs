//! The end of long logs.

use std::borrow::Cow;

/// The last `most` bytes of `logs`, or a bit less, below a line that says how many are missing; all of it when it is no longer.
pub(super) fn log_tail(logs: &str, most: u64) -> Cow<'_, str> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if logs.len() <= most {
        return Cow::Borrowed(logs);
    }
    let start = line_start(logs, logs.ceil_char_boundary(logs.len() - most));
    Cow::Owned(format!("[… {start} bytes of earlier logs are not shown]\n{}", &logs[start..]))
}

/// Where the first whole line begins, `start` or later. A line that fills half of the tail is cut instead: its end says more than
/// nothing.
fn line_start(logs: &str, start: usize) -> usize {
    if logs[..start].ends_with('\n') {
        return start;
    }
    let tail = &logs[start..];
    let near = &tail[..tail.floor_char_boundary(tail.len() / 2)];
    near.find('\n').map_or(start, |line_end| start + line_end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_begins_with_a_line_if_one_begins_early_enough() {
        let cases = [
            ("one\ntwo\nthree\n", 14, "one\ntwo\nthree\n"),
            ("one\ntwo\nthree\n", 13, "[… 4 bytes of earlier logs are not shown]\ntwo\nthree\n"),
            ("one\ntwo\nthree\n", 10, "[… 4 bytes of earlier logs are not shown]\ntwo\nthree\n"),
            ("one\ntwo\nthree\n", 6, "[… 8 bytes of earlier logs are not shown]\nthree\n"),
            ("one\ntwo\nthree\n", 4, "[… 10 bytes of earlier logs are not shown]\nree\n"),
            ("a line that is long\nx", 8, "[… 13 bytes of earlier logs are not shown]\ns long\nx"),
            ("äöü", 3, "[… 4 bytes of earlier logs are not shown]\nü"),
            ("one", 0, "[… 3 bytes of earlier logs are not shown]\n"),
            ("", 0, ""),
        ];
        for (logs, most, expected) in cases {
            assert_eq!(log_tail(logs, most), expected, "the last {most} of {logs:?}");
        }
    }

    proptest! {
        #[test]
        fn a_tail_is_the_end_and_not_too_long(logs in "[a-zä😀\n]{0,60}", most in 0u64..80) {
            let shown = log_tail(&logs, most);
            if logs.len() as u64 <= most {
                prop_assert_eq!(&shown, &logs);
                return Ok(());
            }
            let (marker, end) = shown.split_once('\n').expect("a line says what is missing");
            prop_assert!(logs.ends_with(end));
            prop_assert!(end.len() as u64 <= most);
            // At most half is given up for the beginning of a line, and three bytes for that of a character.
            prop_assert!(2 * (end.len() as u64 + 3) >= most);
            let missing = logs.len() - end.len();
            prop_assert_eq!(marker, format!("[… {missing} bytes of earlier logs are not shown]"));
        }
    }
}
