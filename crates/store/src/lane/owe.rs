//! What a commit means for the prediction's receiver.

use cogwire_core::prediction::Wants;
use cogwire_core::webhook::event::{Webhook, WebhookEvent};
use cogwire_core::webhook::pacing::{FinalMessage, Lane, Next};

use super::{FinalBody, LaneRow, NewMessage, Write};
use crate::delivery::DeliveryState;
use crate::prediction::{Commit, LaneEffect};

/// What a commit leaves to write, in its own transaction, and what whoever committed is told.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) row: LaneRow,
    pub(crate) write: Write,
    /// The final message, when this commit makes it.
    pub(crate) message: Option<NewMessage>,
    pub(crate) effect: LaneEffect,
}

/// Whether a commit changes what is owed.
pub(crate) fn is_touched(commit: &Commit) -> bool {
    let transition = &commit.transition;
    let asks = transition.next().status().is_terminal() || *transition.wants() != Wants::default();
    commit.request.webhook.is_some() && asks
}

/// Whether a commit is the first of its prediction, which finds no lane: nobody need look.
pub(crate) fn is_first(commit: &Commit) -> bool {
    commit.transition.expected_revision() == 0
}

/// What a commit owes to the receiver, given the lane that is stored. `None` when it changes nothing.
pub(crate) fn owe(commit: &Commit, stored: Option<LaneRow>, body: Option<&FinalBody>) -> Option<Owed> {
    let webhook = commit.request.webhook.as_ref().filter(|_| is_touched(commit))?;
    let is_stored = stored.is_some();
    let mut row = stored.unwrap_or_else(|| new_lane(commit, webhook));
    take_in(&mut row, commit);
    let last = row.lane.last.as_ref();
    let message = last.zip(body).map(|(last, body)| final_message(commit, last, row.lane.superseded, body));
    let effect = effect(&mut row, commit, body);
    Some(Owed { write: row.write(is_stored), row, message, effect })
}

fn new_lane(commit: &Commit, webhook: &Webhook) -> LaneRow {
    LaneRow {
        prediction: commit.request.id,
        account: commit.request.account.clone(),
        url: webhook.url.clone(),
        origin: webhook.origin.clone(),
        options: webhook.options.clone(),
        due_at: None,
        owner: None,
        lease_no: 0,
        in_flight: None,
        progress_revision: 0,
        lane: Lane::default(),
    }
}

fn take_in(row: &mut LaneRow, commit: &Commit) {
    let wants = commit.transition.wants();
    row.lane.want(wants, commit.transition.next().status().is_terminal(), commit.now);
    if !wants.progress.is_empty() {
        row.progress_revision = commit.transition.expected_revision() + 1;
    }
    row.schedule(commit.now);
}

fn final_message(commit: &Commit, last: &FinalMessage, superseded: u32, body: &FinalBody) -> NewMessage {
    NewMessage {
        seq: last.seq,
        event: WebhookEvent::Completed,
        state: DeliveryState::Pending,
        body: Some(body.bytes.clone()),
        body_sha256: body.sha256,
        size: body.bytes.len() as u64,
        superseded,
        next_attempt_at: Some(last.due_at),
        lease_no: 0,
        created_at: commit.now,
    }
}

/// What whoever committed should do about the lane; a lane that is claimed here is held from now on.
fn effect(row: &mut LaneRow, commit: &Commit, body: Option<&FinalBody>) -> LaneEffect {
    if row.owner.is_some() {
        // Its holder finds what is new when the request that is under way has ended.
        return LaneEffect::None;
    }
    match (row.lane.next(commit.now), &commit.deliver_here) {
        (Next::Send(_), Some(node)) => {
            row.hold(node);
            LaneEffect::Claimed(Box::new(row.claimed(body.map(|body| body.bytes.clone()))))
        }
        _ => row.due_at.map_or(LaneEffect::None, LaneEffect::DueAt),
    }
}
