//! What can happen, in any order.

use cogwire_core::prediction::{ChunkEvent, Event, Kind, Report, RunEnd};
use proptest::prelude::*;

use crate::contract::fixture::{item, log};
use crate::delivery::Verdict;

/// How many versions there are.
pub(super) const VERSIONS: usize = 2;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A prediction or training of one of the versions is created, waiting or claimed.
    Create { kind: Kind, of: usize, claimed: bool },
    /// The node whose turn it is claims what waits: so much of each version, and so much in all.
    Claim { wanted: [u32; VERSIONS], limit: u32 },
    /// Somebody commits an event to one of the predictions.
    Change { which: usize, by: Author, stale: bool, event: Event, deliver: bool },
    /// The holder gives a prediction back.
    Release { which: usize },
    /// All nodes are lost, and a new one takes over.
    Restart,
    /// The node sends what is due, one message of each lane, and says everything twice when it does not hear the answers.
    Deliver { verdict: Sent, hears: bool },
}

/// On whose behalf an event is committed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Author {
    /// Whoever holds the prediction.
    Holder,
    /// Whoever held it before.
    FormerHolder,
    /// A caller or a sweep.
    Anyone,
}

/// How sending goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sent {
    Delivered,
    Retry,
    Postponed,
    GivenUp,
    /// The sender stops before it has begun.
    Unsent,
}

impl Sent {
    /// The verdict, for an attempt that ended `now`; `None` when there was none.
    pub(super) fn verdict(self, now: cogwire_core::time::Timestamp) -> Option<Verdict> {
        match self {
            Self::Delivered => Some(Verdict::Delivered),
            Self::Retry => Some(Verdict::RetryAt(now)),
            Self::Postponed => Some(Verdict::Postponed(now)),
            Self::GivenUp => Some(Verdict::GivenUp),
            Self::Unsent => None,
        }
    }
}

pub(super) fn histories() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}

fn step() -> impl Strategy<Value = Step> {
    let change = (any::<usize>(), author(), prop::bool::weighted(0.15), event(), any::<bool>())
        .prop_map(|(which, by, stale, event, deliver)| Step::Change { which, by, stale, event, deliver });
    prop_oneof![
        3 => (kind(), 0..VERSIONS, any::<bool>()).prop_map(|(kind, of, claimed)| Step::Create { kind, of, claimed }),
        2 => ([0..4_u32, 0..4_u32], 1..5_u32).prop_map(|(wanted, limit)| Step::Claim { wanted, limit }),
        12 => change,
        1 => any::<usize>().prop_map(|which| Step::Release { which }),
        1 => Just(Step::Restart),
        4 => (sent(), any::<bool>()).prop_map(|(verdict, hears)| Step::Deliver { verdict, hears }),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![3 => Just(Kind::Prediction), 1 => Just(Kind::Training)]
}

fn author() -> impl Strategy<Value = Author> {
    prop_oneof![5 => Just(Author::Holder), 1 => Just(Author::FormerHolder), 1 => Just(Author::Anyone)]
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        3 => Just(Sent::Delivered),
        1 => prop_oneof![Just(Sent::Retry), Just(Sent::Postponed)],
        1 => Just(Sent::GivenUp),
        1 => Just(Sent::Unsent),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let end = prop_oneof![Just(RunEnd::Succeeded), "[a-z]{1,4}".prop_map(RunEnd::Failed)];
    let said = (prop::collection::vec(chunk_event(), 1..3), prop::option::weighted(0.2, end))
        .prop_map(|(events, end)| Event::Ran(Report { started_at: None, events, end }));
    prop_oneof![8 => said, 1 => Just(Event::CancelRequested)]
}

fn chunk_event() -> impl Strategy<Value = ChunkEvent> {
    prop_oneof!["[a-z]{0,3}".prop_map(|text| log(&text)), "[a-z]{0,3}".prop_map(|text| item(&text))]
}
