//! An intermediate message is taken up just before it is sent.

use cogwire_core::webhook::event::{EventSet, WebhookEvent};

use super::{LaneRow, NewMessage, Write};
use crate::delivery::{BeginIntermediate, DeliveryState};

/// What becomes of a message that is about to be sent.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is to be sent: it and the lane have to be written.
    Taken(NewMessage),
    /// It was taken up before, and whoever asked did not hear of it. The row keeps the size and digest of what was rendered then;
    /// the report of the attempt has what was sent.
    Already,
    /// It is not wanted any more, and the lane is freed.
    Unwanted(Write),
    /// The lane is somebody else's.
    Fenced,
}

/// Takes up an intermediate message of a stored lane.
pub(crate) fn begin(row: &mut LaneRow, begin: &BeginIntermediate) -> Begun {
    if !row.is_held_by(&begin.node, begin.lease_no) {
        return Begun::Fenced;
    }
    if row.in_flight == Some(begin.seq) {
        return Begun::Already;
    }
    if !is_wanted(row, begin) {
        row.leave(begin.now);
        return Begun::Unwanted(row.write(true));
    }
    take(row, begin);
    Begun::Taken(message(row, begin))
}

/// While the holder rendered its message, the prediction may have ended: the final message then has taken the place of
/// waiting progress, and its number.
fn is_wanted(row: &LaneRow, begin: &BeginIntermediate) -> bool {
    let wanted = match begin.event {
        WebhookEvent::Start => row.lane.want_start,
        WebhookEvent::Output | WebhookEvent::Logs => !row.lane.want_progress.is_empty(),
        WebhookEvent::Completed => false,
    };
    wanted && row.lane.next_seq == begin.seq
}

fn take(row: &mut LaneRow, begin: &BeginIntermediate) {
    let unseen = if row.progress_revision > begin.revision { row.lane.want_progress } else { EventSet::NONE };
    row.in_flight = Some(row.lane.begin_intermediate(begin.event, begin.now));
    if begin.event != WebhookEvent::Start {
        row.lane.want_progress = unseen;
    }
    row.schedule(begin.now);
}

fn message(row: &LaneRow, begin: &BeginIntermediate) -> NewMessage {
    NewMessage {
        seq: begin.seq,
        event: begin.event,
        state: DeliveryState::Sending,
        body: None,
        body_sha256: begin.body_sha256,
        size: begin.size,
        superseded: 0,
        next_attempt_at: None,
        lease_no: row.lease_no,
        created_at: begin.now,
    }
}
