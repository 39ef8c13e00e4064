//! Reads the `Range` header of a download, and nothing else.
//!
//! It promises that a [`RangeRequest::Part`] is never empty and lies within the file. It must not know what is stored
//! or how it is sent.

use std::ops::Range;

/// What a `Range` header asks for, given the size of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeRequest {
    /// The whole file: answer 200, as if there were no `Range` header.
    Whole,
    /// These bytes, end excluded: answer 206.
    Part(Range<u64>),
    /// Bytes that the file does not have: answer 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `size` bytes.
///
/// One range of bytes is understood. Several ranges, other units and rubbish are ignored, as RFC 9110 allows, and so is
/// every range of an empty file, because `Content-Range` has no way to write an empty range.
pub fn parse_range(header: &str, size: u64) -> RangeRequest {
    match parse_bounds(header) {
        Some(bounds) if size > 0 => bounds.within(size),
        _ => RangeRequest::Whole,
    }
}

enum Bounds {
    From(u64),
    FromTo(u64, u64),
    Last(u64),
}

impl Bounds {
    fn within(self, size: u64) -> RangeRequest {
        match self {
            Self::Last(0) => RangeRequest::Unsatisfiable,
            Self::Last(count) => RangeRequest::Part(size.saturating_sub(count)..size),
            Self::From(first) | Self::FromTo(first, _) if first >= size => RangeRequest::Unsatisfiable,
            Self::From(first) => RangeRequest::Part(first..size),
            Self::FromTo(first, last) => RangeRequest::Part(first..last.saturating_add(1).min(size)),
        }
    }
}

fn parse_bounds(header: &str) -> Option<Bounds> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => Some(Bounds::Last(parse_position(last)?)),
        (first, "") => Some(Bounds::From(parse_position(first)?)),
        (first, last) => {
            let (first, last) = (parse_position(first)?, parse_position(last)?);
            (first <= last).then_some(Bounds::FromTo(first, last))
        }
    }
}

/// A number of any length; what does not fit is beyond the end of every file and saturates.
fn parse_position(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_forms_of_rfc_9110() {
        use RangeRequest::{Part, Unsatisfiable, Whole};
        let table = [
            ("bytes=0-0", 10, Part(0..1)),
            ("bytes=0-9", 10, Part(0..10)),
            ("bytes=2-5", 10, Part(2..6)),
            ("bytes=5-99", 10, Part(5..10)),
            ("bytes=5-", 10, Part(5..10)),
            ("bytes=-3", 10, Part(7..10)),
            ("bytes=-99", 10, Part(0..10)),
            (" Bytes = 2 - 5 ", 10, Part(2..6)),
            ("bytes=0-99999999999999999999999", 10, Part(0..10)),
            ("bytes=0-18446744073709551615", 10, Part(0..10)),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=10-12", 10, Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-1,4-5", 10, Whole),
            ("bytes=5-2", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes=1--2", 10, Whole),
            ("lines=0-1", 10, Whole),
            ("0-1", 10, Whole),
            ("", 10, Whole),
            ("bytes=0-", 0, Whole),
            ("bytes=-5", 0, Whole),
        ];
        for (header, size, expected) in table {
            assert_eq!(parse_range(header, size), expected, "{header:?} of {size}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_lies_within(header in "(bytes=)?[0-9 ,=+-]{0,24}|\\PC{0,40}", size: u64) {
            if let RangeRequest::Part(range) = parse_range(&header, size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }

        #[test]
        fn a_well_formed_range_is_cut_to_the_file(first: u64, length in 0..u64::MAX, size in 1..u64::MAX) {
            let last = first.saturating_add(length);
            let expected = match first < size {
                true => RangeRequest::Part(first..last.saturating_add(1).min(size)),
                false => RangeRequest::Unsatisfiable,
            };
            prop_assert_eq!(parse_range(&format!("bytes={first}-{last}"), size), expected);
        }

        #[test]
        fn a_suffix_is_the_end_of_the_file(count in 1..u64::MAX, size in 1..u64::MAX) {
            let expected = RangeRequest::Part(size - count.min(size)..size);
            prop_assert_eq!(parse_range(&format!("bytes=-{count}"), size), expected);
        }
    }
}
