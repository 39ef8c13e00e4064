//! What an attempt that has ended leaves in its lane.

use cogwire_core::time::Timestamp;
use cogwire_core::webhook::pacing::{FinalMessage, Next};

use super::{LaneRow, Write};
use crate::delivery::{DeliveryState, FinishedAttempt, LaneOutcome, Verdict};

/// What to write after an attempt, and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    /// How the message stands now.
    pub(crate) state: DeliveryState,
    /// When it is tried again.
    pub(crate) next_attempt_at: Option<Timestamp>,
    /// What to do with the lane's row.
    pub(crate) write: Write,
    pub(crate) follow: Follow,
}

/// What follows an attempt: a [`LaneOutcome`] that does not have the bytes of the final message yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Something may go out at once; the lane is still held.
    Continue,
    /// The lane is free: nothing is owed, or something is due then.
    Free(Option<Timestamp>),
}

/// How a final message stands after an attempt. Unless it waits again, nothing is owed any more, and its lane can be forgotten
/// without a look.
pub(crate) fn final_state(verdict: Verdict) -> DeliveryState {
    match verdict {
        Verdict::Delivered => DeliveryState::Delivered,
        Verdict::GivenUp => DeliveryState::Exhausted,
        Verdict::RetryAt(_) | Verdict::Postponed(_) => DeliveryState::Pending,
    }
}

/// What an attempt of the lane's holder leaves. Asked twice about the same attempt, it says the same.
pub(crate) fn settle(row: &mut LaneRow, finished: &FinishedAttempt, now: Timestamp) -> Settled {
    if row.final_message() == Some(finished.delivery) {
        return settle_final(row, finished, now);
    }
    row.in_flight = None;
    row.lane.began_at(finished.attempt.started_at);
    let state = match finished.verdict {
        Verdict::Delivered => DeliveryState::Delivered,
        Verdict::GivenUp | Verdict::RetryAt(_) | Verdict::Postponed(_) => DeliveryState::Failed,
    };
    let follow = go_on(row, now);
    Settled { state, next_attempt_at: None, write: row.write(true), follow }
}

/// The outcome of an attempt that was recorded before and whose lane its sender does not hold: the first time, it may have
/// freed or settled it.
pub(crate) fn recorded_before(stored: Option<&LaneRow>, finished: &FinishedAttempt) -> LaneOutcome {
    match stored {
        None => LaneOutcome::Idle,
        Some(row) if row.owner.is_none() && row.lease_no == finished.lease_no + 1 => {
            row.due_at.map_or(LaneOutcome::Idle, LaneOutcome::DueAt)
        }
        Some(_) => LaneOutcome::Fenced,
    }
}

fn settle_final(row: &mut LaneRow, finished: &FinishedAttempt, now: Timestamp) -> Settled {
    row.lane.last = row.lane.last.take().and_then(|last| still_owed(&last, finished));
    let next_attempt_at = row.lane.last.as_ref().map(|last| last.due_at);
    row.leave(now);
    let state = final_state(finished.verdict);
    Settled { state, next_attempt_at, write: row.write(true), follow: Follow::Free(row.due_at) }
}

/// The final message as it is owed after an attempt, if it is.
fn still_owed(last: &FinalMessage, finished: &FinishedAttempt) -> Option<FinalMessage> {
    let started_at = finished.attempt.started_at;
    let last = FinalMessage { attempts: last.attempts.max(finished.attempt.number), ..*last };
    match finished.verdict {
        Verdict::Delivered | Verdict::GivenUp => None,
        Verdict::RetryAt(due_at) => {
            let first_attempt_at = Some(last.schedule_began_at(started_at));
            Some(FinalMessage { tries: last.tries + 1, first_attempt_at, due_at, ..last })
        }
        Verdict::Postponed(due_at) => Some(FinalMessage {
            first_attempt_at: last.first_attempt_at.or(Some(started_at)),
            due_at,
            ..last
        }),
    }
}

/// Keeps the lane when something may go out at once.
fn go_on(row: &mut LaneRow, now: Timestamp) -> Follow {
    if matches!(row.lane.next(now), Next::Send(_)) {
        row.schedule(now);
        return Follow::Continue;
    }
    row.leave(now);
    Follow::Free(row.due_at)
}
