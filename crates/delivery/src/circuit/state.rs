//! The states of one circuit.

use std::time::Duration;

use cogwire_core::time::Timestamp;

/// So many stalls in a row open a circuit: more than one message has attempts under `replicate`, so that a message alone
/// keeps to its schedule.
const STALLS_TO_OPEN: u32 = 10;
/// The time before the first probe; each further one waits twice as long.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);
/// The longest time between two looks at an origin that is left alone.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How an origin is treated. One that is not known is treated as usual.
#[derive(Debug, Clone, Copy)]
pub(super) enum Circuit {
    /// As usual, although it stalled lately.
    Closed(Stalls),
    /// It asked for no requests for a while.
    Resting,
    /// It is down.
    Open(Open),
}

/// Stalls without an answer in between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stalls {
    count: u32,
    since: Timestamp,
}

/// An origin that is down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    /// When it stalled first.
    pub(super) since: Timestamp,
    /// The time before the next probe.
    pub(super) delay: Duration,
    /// When it was planned for.
    pub(super) next_at: Timestamp,
}

impl Stalls {
    pub(super) fn first(now: Timestamp) -> Self {
        Self { count: 1, since: now }
    }

    pub(super) fn and_one(self) -> Self {
        Self { count: self.count + 1, ..self }
    }

    /// The circuit, when there were enough of them to open it.
    pub(super) fn open(self) -> Option<Open> {
        let open = Open { since: self.since, delay: SHORTEST_WAIT, next_at: self.since };
        (self.count >= STALLS_TO_OPEN).then_some(open)
    }
}

impl Open {
    /// The same after one more probe without an answer.
    pub(super) fn later(self) -> Self {
        Self { delay: (self.delay * 2).min(LONGEST_WAIT), ..self }
    }

    /// Whether its probes are as rare as they get.
    pub(super) fn is_patient(self) -> bool {
        self.delay == LONGEST_WAIT
    }
}
