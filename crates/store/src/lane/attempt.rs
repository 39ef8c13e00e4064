//! Under which number an attempt is recorded.

use crate::delivery::Attempt;

/// The number under which to record an attempt, given what is recorded for its message. A node that sent under an earlier
/// fence may have taken its own: both are kept. `None` when the attempt itself is recorded: whoever did so did not hear of
/// it, and asks again.
pub(crate) fn number_for(attempt: &Attempt, recorded: &[Attempt]) -> Option<u32> {
    let later = || recorded.iter().filter(|other| other.number >= attempt.number);
    if later().any(|other| *other == Attempt { number: other.number, ..attempt.clone() }) {
        return None;
    }
    let is_taken = later().any(|other| other.number == attempt.number);
    let last = later().map(|other| other.number).max().filter(|_| is_taken);
    Some(last.map_or(attempt.number, |last| last + 1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cogwire_core::time::Timestamp;

    use super::*;

    fn attempt(number: u32, started_at: i64) -> Attempt {
        Attempt {
            number,
            started_at: Timestamp::from_micros(started_at),
            duration: Duration::from_micros(5),
            status: Some(500),
            class: "status".to_owned(),
            detail: String::new(),
            manual: false,
            report: None,
        }
    }

    #[test]
    fn an_attempt_has_its_own_number_or_the_next_free_one() {
        let cases = [
            (attempt(1, 10), vec![], Some(1)),
            (attempt(2, 20), vec![attempt(1, 10)], Some(2)),
            (attempt(1, 20), vec![attempt(1, 10)], Some(2)),
            (attempt(1, 20), vec![attempt(1, 10), attempt(4, 40)], Some(5)),
            (attempt(2, 20), vec![attempt(3, 30)], Some(2)),
            (attempt(2, 10), vec![attempt(1, 10)], Some(2)),
        ];
        for (new, recorded, number) in cases {
            assert_eq!(number_for(&new, &recorded), number, "{new:?} beside {recorded:?}");
        }
    }

    #[test]
    fn an_attempt_is_recorded_once_whatever_its_number_became() {
        assert_eq!(number_for(&attempt(1, 10), &[attempt(1, 10)]), None);
        assert_eq!(number_for(&attempt(1, 20), &[attempt(1, 10), attempt(2, 20)]), None);
    }
}
