use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::json::Json;
use cogwire_core::prediction::{AccountId, Ended, Kind, Outcome, Request, Source, State};
use cogwire_core::webhook::event::PayloadShape;
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::webhook::pacing::FinalMessage;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn a_prediction(filter: Option<EventSet>, ended: bool) -> Prediction {
    let webhook = Webhook {
        url: "https://example.com/hook".to_owned(),
        origin: "https://example.com".to_owned(),
        events: filter.unwrap_or(EventSet::DEFAULT),
        filter,
        payload: PayloadShape::Prediction,
        options: WebhookOptions::default(),
    };
    let mut prediction = Prediction::new(Request {
        id: PredictionId::new(NOW, 1),
        account: AccountId("a".into()),
        kind: Kind::Prediction,
        model: "a/b".parse().expect("a name"),
        version: "9dcd6d78e7c6560c340d916fe32e9f24aabfa331e5cce95fe31f77fb03121426".parse().expect("an id"),
        source: Source::Api,
        created_at: NOW,
        input: Json::object(),
        webhook: Some(webhook),
        cancel_at: None,
        streams: false,
        destination: None,
        trace: None,
    });
    if ended {
        prediction.state =
            State::Ended(Ended { outcome: Outcome::Succeeded, started_at: Some(NOW), completed_at: NOW });
    }
    prediction
}

fn a_delivery(state: DeliveryState, attempts: u32) -> Delivery {
    Delivery {
        id: DeliveryId { prediction: PredictionId::new(NOW, 1), seq: 2 },
        account: AccountId("a".into()),
        event: WebhookEvent::Completed,
        url: "https://example.com/hook".to_owned(),
        state,
        body: None,
        body_sha256: [0; 32],
        size: 7,
        superseded: 0,
        attempts,
        next_attempt_at: Some(NOW),
        created_at: NOW,
    }
}

#[test]
fn without_a_webhook_nothing_is_sent() {
    let mut bare = a_prediction(None, true);
    let mut request = (*bare.request).clone();
    request.webhook = None;
    bare.request = request.into();
    let [line] = prediction(&bare, None, &[], NOW).try_into().expect("one line");
    assert!(line.contains("without `webhook`"), "{line}");
}

#[test]
fn the_filter_says_what_is_left_out() {
    let only_start = EventSet::NONE.with(WebhookEvent::Start);
    let lines = prediction(
        &a_prediction(Some(only_start), true),
        None,
        &[a_delivery(DeliveryState::Delivered, 1)],
        NOW,
    );
    assert_eq!(
        lines,
        [
            "Events that are sent: start, because `webhook_events_filter` asks for them. Filtered out: output, logs, completed."
        ]
    );
    let lines = prediction(&a_prediction(None, false), None, &[], NOW);
    assert!(lines[0].starts_with("Events that are sent: output, completed, because"), "{lines:?}");
    assert!(lines[0].contains("default"), "{lines:?}");
    assert!(lines[1].contains("Nothing has happened yet"), "{lines:?}");
}

#[test]
fn what_waits_and_what_was_superseded_is_said() {
    let paced = Lane {
        want_progress: EventSet::NONE.with(WebhookEvent::Logs),
        last_progress_at: Some(NOW),
        ..Lane::default()
    };
    let lines = prediction(&a_prediction(None, false), Some(&paced), &[], NOW);
    assert!(
        lines[1].starts_with("Waiting for the pace")
            && lines[1].contains("logs, due at 2023-11-14T22:13:20.5"),
        "{lines:?}"
    );

    let last = FinalMessage {
        seq: 1,
        attempts: 2,
        tries: 2,
        first_attempt_at: Some(NOW),
        due_at: NOW,
        manual: false,
    };
    let retried = Lane { last: Some(last), superseded: 1, open: false, ..Lane::default() };
    let lines = prediction(&a_prediction(None, true), Some(&retried), &[], NOW);
    assert!(lines[1].starts_with("Superseded: 1 progress message still"), "{lines:?}");
    assert!(lines[2].starts_with("Waiting to be sent again: completed, after 2 attempts"), "{lines:?}");
}

#[test]
fn messages_that_are_gone_are_not_denied() {
    let lines = prediction(&a_prediction(None, true), None, &[], NOW);
    assert!(lines[1].contains("older than the retention"), "{lines:?}");
}

#[test]
fn every_state_has_its_sentence() {
    use DeliveryState::{Delivered, Exhausted, Failed, Interrupted, Pending, Sending};
    let cases = [
        (Pending, 0, "first attempt"),
        (Pending, 2, "after 2 attempts so far"),
        (Sending, 0, "being sent"),
        (Delivered, 1, "took it after 1 attempt."),
        (Failed, 1, "sent once"),
        (Exhausted, 7, "Given up after 7 attempts"),
        (Interrupted, 0, "server stopped"),
    ];
    for (state, attempts, expected) in cases {
        let lines = delivery(&a_delivery(state, attempts), NOW);
        assert!(lines[0].contains(expected), "{lines:?}");
    }
    let superseding = Delivery { superseded: 3, ..a_delivery(Delivered, 1) };
    assert!(delivery(&superseding, NOW)[1].contains("3 progress messages"));
}

#[test]
fn a_message_whose_time_has_come_and_gone_waits_for_its_receiver() {
    let after = |seconds: i64| Timestamp::from_micros(NOW.as_micros() + seconds * 1_000_000);
    let pending = a_delivery(DeliveryState::Pending, 0);
    assert_eq!(delivery(&pending, after(-60)).len(), 1);
    assert_eq!(delivery(&pending, after(2)).len(), 1);
    assert!(delivery(&pending, after(4))[1].contains("its receiver is down"));
    assert_eq!(delivery(&a_delivery(DeliveryState::Exhausted, 7), after(60)).len(), 1);
}
