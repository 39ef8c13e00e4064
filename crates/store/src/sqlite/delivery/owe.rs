//! What a commit means for the prediction's receiver: the lane and the final message, in the commit's transaction.

use bytes::Bytes;
use cogwire_core::prediction::Wants;
use cogwire_core::webhook::event::{Webhook, WebhookEvent};
use cogwire_core::webhook::pacing::{FinalMessage, Lane, Next};
use rusqlite::{Connection, params};

use super::lane::LaneRow;
use crate::delivery::DeliveryState;
use crate::prediction::{Commit, LaneEffect};
use crate::sqlite::failure::Outcome;

/// The bytes of a final message, with their hash.
pub(in crate::sqlite) struct FinalBody {
    pub(in crate::sqlite) bytes: Bytes,
    pub(in crate::sqlite) sha256: [u8; 32],
}

/// Writes what the transition asks for.
pub(in crate::sqlite) fn owe(
    db: &Connection,
    commit: &Commit,
    body: Option<&FinalBody>,
) -> Outcome<LaneEffect> {
    let Some(webhook) = &commit.request.webhook else { return Ok(LaneEffect::None) };
    let ended = commit.transition.next().status().is_terminal();
    if !ended && *commit.transition.wants() == Wants::default() {
        return Ok(LaneEffect::None);
    }
    let (mut row, stored) = lane_of(db, commit, webhook)?;
    take_in(&mut row, commit, ended);
    if let (Some(last), Some(body)) = (&row.lane.last, body) {
        insert_final(db, commit, webhook, last, row.lane.superseded, body)?;
    }
    let effect = effect(&mut row, commit, body);
    store(db, &row, stored)?;
    Ok(effect)
}

/// The lane, and whether it is stored. The first transition of a prediction finds none, so it need not look.
fn lane_of(db: &Connection, commit: &Commit, webhook: &Webhook) -> Outcome<(LaneRow, bool)> {
    let stored = match commit.transition.expected_revision() {
        0 => None,
        _ => LaneRow::find(db, commit.request.id)?,
    };
    let is_stored = stored.is_some();
    let row = stored.unwrap_or_else(|| LaneRow {
        prediction: commit.request.id,
        account: commit.request.account.clone(),
        url: webhook.url.clone(),
        origin: webhook.origin.clone(),
        due_at: None,
        owner: None,
        lease_no: 0,
        in_flight: None,
        progress_revision: 0,
        lane: Lane::default(),
    });
    Ok((row, is_stored))
}

fn take_in(row: &mut LaneRow, commit: &Commit, ended: bool) {
    let wants = commit.transition.wants();
    row.lane.want(wants, ended, commit.now);
    if !wants.progress.is_empty() {
        row.progress_revision = commit.transition.expected_revision() + 1;
    }
    row.schedule(commit.now);
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

fn store(db: &Connection, row: &LaneRow, stored: bool) -> Outcome<()> {
    let forgotten = row.owner.is_none() && row.lane.due_at().is_none() && !row.lane.open;
    match (stored, forgotten) {
        (true, true) => row.delete(db),
        (true, false) => row.update(db),
        (false, true) => Ok(()),
        (false, false) => row.insert(db),
    }
}

fn insert_final(
    db: &Connection,
    commit: &Commit,
    webhook: &Webhook,
    last: &FinalMessage,
    superseded: u32,
    body: &FinalBody,
) -> Outcome<()> {
    let sql = "INSERT INTO delivery (prediction_id, seq, account, event, url, origin, state, body, body_sha256, size,
                 superseded, attempts, next_attempt_at, lease_no, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, 0, ?13)";
    db.prepare_cached(sql)?.execute(params![
        commit.request.id.as_str(),
        last.seq,
        commit.request.account.0,
        WebhookEvent::Completed.as_str(),
        webhook.url,
        webhook.origin,
        DeliveryState::Pending.as_str(),
        &body.bytes[..],
        body.sha256,
        body.bytes.len() as i64,
        superseded,
        last.due_at.as_micros(),
        commit.now.as_micros(),
    ])?;
    Ok(())
}
