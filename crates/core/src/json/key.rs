//! The order of keys in a canonical object.

use std::cmp::Ordering;

/// The number in a key that JavaScript treats as an array index: canonical decimal from 0 to 2^32 - 2.
pub(super) fn array_index(key: &str) -> Option<u32> {
    let canonical = key == "0" || (key.len() <= 10 && !key.starts_with('0'));
    if !canonical || key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    key.parse().ok().filter(|index| *index != u32::MAX)
}

/// Compares two keys by their canonical spelling (the text between the quotes).
///
/// The spelling rather than the decoded text is compared, so that a long key with escapes need not be decoded for each
/// comparison; for keys without escapes there is no difference.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    match (array_index(left), array_index(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => left.cmp(right),
    }
}
