//! Stopping a run, wherever it is.

use cogwire_core::time::Clock;
use serde_json::json;

use super::harness;
use crate::testing::{TestClock, all_events, end_of, lines};
use crate::{EVENT_QUEUE, End, RunEvent};

#[tokio::test]
async fn a_wait_a_hang_and_an_endless_loop_are_cut_short() {
    for step in ["wait_ms = 1000", "hang = true", "when = true\nrepeat = 1000000\nwait_ms = 0"] {
        let harness = harness(&format!("[[model.step]]\n{step}"), TestClock::frozen());
        let mut run = harness.start(&json!({}));
        assert_eq!(run.events.recv().await, Some(RunEvent::Started), "{step}");
        harness.cancel.cancel();
        assert_eq!(lines(&all_events(run).await), ["canceled"], "{step}");
    }
}

#[tokio::test]
async fn a_blocked_run_is_cut_short_and_says_so_when_it_is_read() {
    let harness = harness(
        "output = 'iterator'\n[[model.step]]\nrepeat = 1000\noutput = '{{ index }}'",
        TestClock::frozen(),
    );
    let run = harness.start(&json!({}));
    while run.events.len() < EVENT_QUEUE {
        tokio::task::yield_now().await;
    }
    harness.cancel.cancel();
    let events = all_events(run).await;
    assert_eq!(events.last(), Some(&RunEvent::Ended(End::Canceled)));
    assert_eq!(events.len(), EVENT_QUEUE + 1, "nothing was produced after the cancellation");
}

#[tokio::test]
async fn a_run_that_nobody_reads_stops() {
    for step in ["wait_ms = 1000", "hang = true", "repeat = 1000\nlog = 'x'", "repeat = 1000000\nwait_ms = 0"]
    {
        let harness = harness(&format!("[[model.step]]\n{step}"), TestClock::frozen());
        drop(harness.start(&json!({})));
        harness.tracker.close();
        harness.tracker.wait().await;
    }
}

#[tokio::test]
async fn a_run_that_was_cancelled_before_it_began_says_nothing_else() {
    let harness = harness("[[model.step]]\nlog = 'x'", TestClock::jumping());
    harness.cancel.cancel();
    assert_eq!(lines(&all_events(harness.start(&json!({}))).await), ["canceled"]);
}

#[tokio::test]
async fn an_end_that_was_reached_stays() {
    let harness = harness("[[model.step]]\nlog = 'x'", TestClock::jumping());
    let run = harness.start(&json!({}));
    harness.tracker.close();
    harness.tracker.wait().await;
    harness.cancel.cancel();
    assert_eq!(end_of(run).await, End::Succeeded);
    assert_eq!(harness.clock.now().as_micros(), 0);
}
