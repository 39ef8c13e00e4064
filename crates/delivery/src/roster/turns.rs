//! Turns: origins in line, those that answer at once apart from those that may not.

use std::collections::VecDeque;
use std::sync::Arc;

/// Two lines that are served alternately. In each, every origin stands once.
#[derive(Debug, Default)]
pub(super) struct Turns {
    steady: VecDeque<Arc<str>>,
    doubtful: VecDeque<Arc<str>>,
    /// Which line was served last.
    served_steady: bool,
}

impl Turns {
    /// Lets an origin stand in line.
    pub(super) fn push(&mut self, origin: Arc<str>, is_steady: bool) {
        let line = if is_steady { &mut self.steady } else { &mut self.doubtful };
        line.push_back(origin);
    }

    /// The next origin, and whether it stood in the line of the steady ones. `doubtful_too` says whether the other line is
    /// served at all.
    pub(super) fn pop(&mut self, doubtful_too: bool) -> Option<(Arc<str>, bool)> {
        let doubtful_waits = doubtful_too && !self.doubtful.is_empty();
        let steady = !doubtful_waits || (!self.served_steady && !self.steady.is_empty());
        let line = if steady { &mut self.steady } else { &mut self.doubtful };
        let origin = line.pop_front()?;
        self.served_steady = steady;
        Some((origin, steady))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_served_alternately_and_one_of_them_can_be_closed() {
        let mut turns = Turns::default();
        for origin in ["a", "b", "c"] {
            turns.push(origin.into(), true);
            turns.push(origin.to_uppercase().into(), false);
        }
        turns.push("D".into(), false);
        let mut next =
            |doubtful_too| turns.pop(doubtful_too).map(|(origin, steady)| (origin.to_string(), steady));
        let expected = [("a", true), ("A", false), ("b", true)];
        for (origin, steady) in expected {
            assert_eq!(next(true), Some((origin.to_owned(), steady)));
        }
        assert_eq!(next(false), Some(("c".to_owned(), true)));
        assert_eq!(next(false), None);
        assert_eq!(
            [next(true), next(true), next(true)].map(|turn| turn.map(|turn| turn.0)),
            [Some("B".to_owned()), Some("C".to_owned()), Some("D".to_owned())]
        );
        assert_eq!(next(true), None);
    }
}
