//! Under which number an attempt is recorded.

use crate::delivery::Attempt;

/// The number for an attempt whose own is taken, given all recorded attempts of its message. A node that sent under an
/// earlier fence may have taken it: both are kept. `None` when the attempt itself is recorded already: whoever recorded it
/// did not hear of it and asks again.
pub(crate) fn free_number(attempt: &Attempt, recorded: &[Attempt]) -> Option<u32> {
    let is_same = |other: &Attempt| *other == Attempt { number: other.number, ..attempt.clone() };
    if recorded.iter().any(is_same) {
        return None;
    }
    let last = recorded.iter().map(|other| other.number).max();
    Some(last.map_or(attempt.number, |last| last.max(attempt.number) + 1))
}
