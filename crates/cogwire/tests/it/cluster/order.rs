//! In which order the requests of a prediction may begin.
//!
//! The rule, for any two requests of one prediction, the second of which began later, as the receiver saw it:
//!
//! 1. The second has the higher sequence, or the same `webhook-id`. Then the first had ended when the second began.
//! 2. It may have the lower sequence, or the same id before the first has ended, only when a sender has just come back that
//!    was paused for longer than its lease: what it was about to write when it stopped is written when it goes on, and nobody
//!    can know. So whatever a sender begins after its lease has ended is as old as what its successor sends, or older.
//!
//! And only `completed` is ever sent twice.

use std::collections::HashMap;
use std::time::Duration;

use crate::harness::Webhook;

/// How long after its return a sender may write what it was about to write. Everything else is behind a look at its lease.
pub(super) const LATE: Duration = Duration::from_millis(500);

/// One request as the receiver saw it.
#[derive(Debug, Clone)]
struct Request {
    id: String,
    sequence: u32,
    completed: bool,
    began: Duration,
    ended: Option<Duration>,
}

/// Panics unless the requests of each prediction keep the rule. `returns` are the moments at which senders came back.
pub(crate) fn assert_order(all: &[Webhook], returns: &[Duration]) {
    let mut predictions: HashMap<String, Vec<Request>> = HashMap::new();
    for hook in all {
        let (prediction, _) = hook.id().rsplit_once('_').expect("msg_PREDICTION_SEQUENCE");
        predictions.entry(prediction.to_owned()).or_default().push(Request::from(hook));
    }
    let wrong: Vec<String> = predictions.values_mut().flat_map(|all| violations(all, returns)).collect();
    assert!(wrong.is_empty(), "{} requests out of order:\n{}", wrong.len(), wrong.join("\n"));
}

fn violations(requests: &mut [Request], returns: &[Duration]) -> Vec<String> {
    requests.sort_by_key(|request| request.began);
    let pairs = requests.iter().enumerate();
    let pairs = pairs.flat_map(|(place, second)| requests[..place].iter().map(move |first| (first, second)));
    pairs.filter_map(|(first, second)| complaint(first, second, returns)).collect()
}

fn complaint(first: &Request, second: &Request, returns: &[Duration]) -> Option<String> {
    if second.sequence <= first.sequence && returns.iter().any(|back| is_late(second, *back)) {
        return None;
    }
    let wrong = if second.sequence < first.sequence {
        Some("has the lower sequence")
    } else if first.ended.is_none_or(|ended| ended > second.began) {
        Some("began before the first had ended")
    } else {
        (first.id == second.id && !first.completed).then_some("is sent again, and is not the end")
    };
    wrong.map(|wrong| format!("the second {wrong}:\n  {first:?}\n  {second:?}"))
}

fn is_late(request: &Request, back: Duration) -> bool {
    (back..back + LATE).contains(&request.began)
}

impl From<&Webhook> for Request {
    fn from(hook: &Webhook) -> Self {
        Self {
            id: hook.id().to_owned(),
            sequence: hook.header("cogwire-sequence").parse().expect("a number"),
            completed: hook.event() == "completed",
            began: hook.began,
            ended: hook.ended,
        }
    }
}

/// Began and ended in seconds, sequence, and whether it is the end.
fn request(began: u64, ended: u64, sequence: u32, completed: bool) -> Request {
    let ended = Some(Duration::from_secs(ended));
    Request { id: sequence.to_string(), sequence, completed, began: Duration::from_secs(began), ended }
}

#[test]
fn requests_in_sequence_one_after_the_other_are_in_order() {
    let mut all = [request(5, 6, 3, true), request(1, 2, 1, false), request(3, 4, 3, true)];
    assert_eq!(violations(&mut all, &[]), [""; 0]);
}

#[test]
fn what_is_out_of_order_is_found() {
    let overlapping = [request(1, 4, 1, false), request(3, 5, 2, false)];
    let backwards = [request(1, 2, 2, false), request(3, 4, 1, false)];
    let twice = [request(1, 2, 1, false), request(3, 4, 1, false)];
    let open = [Request { ended: None, ..request(1, 1, 1, false) }, request(3, 4, 2, true)];
    for mut all in [overlapping, backwards, twice, open] {
        assert_eq!(violations(&mut all, &[]).len(), 1, "{all:?}");
    }
}

#[test]
fn only_who_has_just_come_back_may_send_what_is_older() {
    let older = [request(1, 2, 2, true), request(3, 4, 1, false)];
    let same = [request(1, 4, 2, true), request(3, 5, 2, true)];
    for mut late in [older, same] {
        assert_eq!(violations(&mut late, &[Duration::from_millis(2900)]), [""; 0]);
        assert_eq!(violations(&mut late, &[Duration::from_millis(2400)]).len(), 1);
        assert_eq!(violations(&mut late, &[Duration::from_millis(3100)]).len(), 1);
    }
    let mut newer = [request(1, 4, 1, false), request(3, 5, 2, false)];
    assert_eq!(violations(&mut newer, &[Duration::from_millis(2900)]).len(), 1);
}
