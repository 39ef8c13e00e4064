//! In plain words: why a message was sent or not, and what happens next.

use std::time::Duration;

use cogwire_core::prediction::Prediction;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::{EventSet, Webhook, WebhookEvent};
use cogwire_core::webhook::pacing::Lane;
use cogwire_store::delivery::{Delivery, DeliveryState};

/// A message that is due for as long as this waits for something else than its turn.
const OVERDUE: Duration = Duration::from_secs(3);

/// What is to be said about all messages of a prediction.
pub(crate) fn prediction(
    prediction: &Prediction,
    lane: Option<&Lane>,
    deliveries: &[Delivery],
    now: Timestamp,
) -> Vec<String> {
    let Some(webhook) = &prediction.request.webhook else {
        return vec!["Nothing is sent: the prediction was created without `webhook`.".to_owned()];
    };
    let mut lines = vec![filter(webhook)];
    lines.extend(superseded(lane, deliveries));
    lines.extend(lane.into_iter().flat_map(|lane| waiting(lane, now)));
    lines.extend(nothing_yet(prediction, webhook, lane, deliveries));
    lines
}

/// What is to be said about one message.
pub(crate) fn delivery(delivery: &Delivery, now: Timestamp) -> Vec<String> {
    let mut lines = vec![state(delivery)];
    lines.extend(overdue(delivery, now));
    if delivery.superseded > 0 {
        lines.push(took_the_place(delivery.superseded));
    }
    lines
}

fn filter(webhook: &Webhook) -> String {
    let sent = names(webhook.events);
    let left_out: EventSet =
        WebhookEvent::ALL.into_iter().filter(|event| !webhook.events.contains(*event)).collect();
    let reason = match webhook.filter {
        Some(filter) if !filter.is_empty() => "`webhook_events_filter` asks for them",
        _ => "`webhook_events_filter` names no events, and these are the default",
    };
    let subject = format!("Events that are sent: {sent}, because {reason}.");
    if left_out.is_empty() { subject } else { format!("{subject} Filtered out: {}.", names(left_out)) }
}

fn superseded(lane: Option<&Lane>, deliveries: &[Delivery]) -> Option<String> {
    let stored: u32 = deliveries.iter().map(|delivery| delivery.superseded).sum();
    let count = stored.max(lane.map_or(0, |lane| lane.superseded));
    (count > 0).then(|| took_the_place(count))
}

fn took_the_place(count: u32) -> String {
    let messages =
        if count == 1 { "1 progress message".to_owned() } else { format!("{count} progress messages") };
    format!(
        "Superseded: {messages} still waited at the end, and `completed`, which says more, took the place."
    )
}

fn waiting(lane: &Lane, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if lane.want_start {
        lines.push("Waiting to be sent: start.".to_owned());
    }
    if !lane.want_progress.is_empty() {
        let progress = names(lane.want_progress);
        lines.push(match lane.due_at().filter(|due| *due > now && !lane.want_start) {
            Some(due) => {
                format!("Waiting for the pace of one progress message each 500 ms: {progress}, due at {due}.")
            }
            None => format!("Waiting to be sent: {progress}."),
        });
    }
    if let Some(last) = &lane.last {
        lines.push(match last.attempts {
            0 => format!("Waiting to be sent: completed, due at {}.", last.due_at),
            attempts => format!(
                "Waiting to be sent again: completed, after {} due at {}.",
                times(attempts),
                last.due_at
            ),
        });
    }
    lines
}

fn nothing_yet(
    prediction: &Prediction,
    webhook: &Webhook,
    lane: Option<&Lane>,
    deliveries: &[Delivery],
) -> Option<String> {
    let owed = lane.is_some_and(|lane| lane.due_at().is_some());
    if owed || !deliveries.is_empty() {
        return None;
    }
    let ended = prediction.status().is_terminal();
    let text = match (ended, webhook.events.contains(WebhookEvent::Completed)) {
        (false, _) => "Nothing has happened yet that a message would be about.",
        (true, true) => "No message is stored any more: they are older than the retention of webhooks.",
        (true, false) => {
            "Nothing was sent: the prediction ended without an event that the filter asks for, \
             or the messages are older than the retention of webhooks."
        }
    };
    Some(text.to_owned())
}

fn state(delivery: &Delivery) -> String {
    let attempts = times(delivery.attempts);
    match (delivery.state, delivery.next_attempt_at) {
        (DeliveryState::Pending, Some(at)) if delivery.attempts == 0 => {
            format!("It waits for its first attempt, due at {at}.")
        }
        (DeliveryState::Pending, Some(at)) => {
            format!("It waits for its next attempt, due at {at}, after {attempts} so far.")
        }
        (DeliveryState::Pending, None) => "It waits to be sent.".to_owned(),
        (DeliveryState::Sending, _) => "It is being sent.".to_owned(),
        (DeliveryState::Delivered, _) => format!("The receiver took it after {attempts}."),
        (DeliveryState::Failed, _) => "The receiver did not take it. Messages about progress are sent once; \
             `completed` is sent again."
            .to_owned(),
        (DeliveryState::Exhausted, _) => {
            format!(
                "Given up after {attempts}. It is kept: `cogwire webhooks resend {id}`, or `POST /deliveries/{id}/resend`, \
                 sends it again.",
                id = delivery.id
            )
        }
        (DeliveryState::Interrupted, _) => {
            "The server stopped while it was being sent; whether it arrived is not known. \
             Messages about progress are not sent again."
                .to_owned()
        }
    }
}

/// Which receivers are down is known to the servers that send, and may be another matter on each.
fn overdue(delivery: &Delivery, now: Timestamp) -> Option<String> {
    let due = delivery.next_attempt_at.filter(|_| delivery.state == DeliveryState::Pending)?;
    let sentence = "It is overdue: its receiver is down, asks for fewer requests, or has all that it may get at once, \
                    or no server with the role `deliver` runs. It is sent when that is over.";
    (now.since(due) > OVERDUE).then(|| sentence.to_owned())
}

fn times(attempts: u32) -> String {
    if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") }
}

fn names(events: EventSet) -> String {
    events.iter().map(WebhookEvent::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
