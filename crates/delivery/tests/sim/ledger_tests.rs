//! The judge notices each kind of breach.

use std::time::Duration;

use bytes::Bytes;
use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent::{self, Completed, Output};
use cogwire_store::NodeEpoch;
use cogwire_store::delivery::{Attempt, FinishedAttempt, LaneOutcome, Verdict};

use super::ledger::{Arrival, Bounds, Ledger};

const SECOND: Duration = Duration::from_secs(1);

fn ledger() -> Ledger {
    Ledger::new(Bounds { in_all: 3, per_origin: 2 })
}

fn id(seq: u32) -> DeliveryId {
    DeliveryId { prediction: PredictionId::new(Timestamp::from_micros(1), 1), seq }
}

fn arrival(seq: u32, event: WebhookEvent, body: &'static str) -> Arrival {
    let (node, body) = ("a".to_owned(), Bytes::from(body));
    Arrival { node, id: id(seq), event, body, deadline: 5 * SECOND, lease_until: 8 * SECOND }
}

fn finished(seq: u32) -> FinishedAttempt {
    let attempt = Attempt {
        number: 1,
        started_at: Timestamp::from_micros(1),
        duration: SECOND,
        status: Some(200),
        class: "delivered".to_owned(),
        detail: String::new(),
        manual: false,
        report: None,
    };
    let node = NodeEpoch("a".into());
    let verdict = Verdict::Delivered;
    FinishedAttempt { delivery: id(seq), lease_no: 1, node, is_final: true, attempt, verdict }
}

/// What is said about two requests, of which the second comes after the first was answered, unless `overlapping`.
fn judge(first: &Arrival, second: &Arrival, overlapping: bool) -> String {
    let ledger = ledger();
    ledger.promised(first.id.prediction, Bytes::from("end"));
    ledger.arrives(SECOND, first);
    if !overlapping {
        ledger.answered(SECOND, first.id, "500", false);
    }
    ledger.arrives(2 * SECOND, second);
    ledger.broken().join("; ")
}

#[test]
fn requests_as_they_should_be_are_no_breach() {
    let (output, end) = (arrival(1, Output, "x"), arrival(2, Completed, "end"));
    assert_eq!(judge(&output, &end, false), "");
    assert_eq!(judge(&end, &end, false), "");
    let cut_off = Arrival { deadline: 2 * SECOND, ..output };
    assert_eq!(judge(&cut_off, &end, true), "", "its sender has given it up");
}

#[test]
fn requests_out_of_order_and_two_at_once_are_noticed() {
    let (output, end) = (arrival(1, Output, "x"), arrival(2, Completed, "end"));
    let cases = [
        (judge(&output, &end, true), "under way"),
        (judge(&end, &output, false), "begins after message 2"),
        (judge(&end, &arrival(3, Output, "x"), false), "begins after the final message"),
        (judge(&end, &arrival(3, Completed, "end"), false), "second final message"),
        (judge(&end, &arrival(2, Completed, "another"), false), "two bodies"),
        (judge(&output, &output, false), "is sent 2 times"),
        (judge(&output, &arrival(2, Completed, "another"), false), "not the end that was committed"),
        (judge(&output, &Arrival { lease_until: SECOND, ..end.clone() }, false), "after its lease"),
        (judge(&output, &Arrival { deadline: 9 * SECOND, ..end }, false), "for longer than its lease"),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said:?} should say {expected:?}");
    }
}

#[test]
fn a_success_that_is_sent_again_or_never_was_is_noticed() {
    for (accepted, breach) in [(true, "sent again after its success"), (false, "nobody took it")] {
        let ledger = ledger();
        let end = arrival(1, Completed, "end");
        ledger.promised(end.id.prediction, Bytes::from("end"));
        ledger.arrives(SECOND, &end);
        ledger.answered(SECOND, end.id, "200", accepted);
        ledger.recorded(SECOND, &[finished(1)], &[LaneOutcome::Idle]);
        ledger.arrives(2 * SECOND, &end);
        assert!(ledger.broken().join("; ").contains(breach), "{:?}", ledger.broken());
    }
}

#[test]
fn too_many_requests_at_once_are_noticed() {
    let ledger = ledger();
    for (origin, broken) in [("x", 0), ("x", 0), ("y", 0), ("x", 2), ("y", 3)] {
        ledger.begins("a", origin);
        ledger.begins("b", "z");
        ledger.ends("b", "z");
        assert_eq!(ledger.broken().len(), broken, "{:?}", ledger.broken());
    }
}
