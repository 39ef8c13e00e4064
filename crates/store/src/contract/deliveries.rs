//! Messages and attempts: what is recorded, what is sent again.

use std::sync::Arc;

use cogwire_core::id::DeliveryId;
use cogwire_core::prediction::Request;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent::{self, Completed, Output};
use cogwire_core::webhook::options::WebhookOptions;
use cogwire_core::webhook::pacing::Next;

use super::Home;
use super::fixture::{
    Run, World, account, at, claimed, final_of, finished, id, item, request_with_webhook, said, started,
    succeeded,
};
use crate::delivery::{
    Attempt, AttemptReport, Backlog, ClaimedLane, Delivery, DeliveryState, HeaderLines, LaneOutcome,
    ListDeliveries, ResendOutcome, ResendSince, ResentSince, ResponseReport, Verdict,
};

/// A prediction that ended at `at(number)`, and the lane with its final message, held.
async fn ended(world: &World, number: u32) -> ClaimedLane {
    let mut run = world.create_run(request_with_webhook(number, &[Completed])).await;
    claimed(world.advance_here(&mut run, succeeded(), at(i64::from(number))).await)
}

async fn read(world: &World, id: DeliveryId) -> (Delivery, Vec<Attempt>) {
    world.store.delivery(id).await.expect("the message is read").expect("it is there")
}

async fn resend(world: &World, id: DeliveryId, now: i64) -> ResendOutcome {
    world.store.resend(id, at(now)).await.expect("the resend is written or refused")
}

/// Everything about a message, before and after it was sent.
pub async fn a_delivered_message_is_explained(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let held = ended(&world, 1).await;
    let message = final_of(&held);
    let (waiting, attempts) = read(&world, message).await;
    assert_eq!((waiting.state, waiting.attempts, attempts.len()), (DeliveryState::Pending, 0, 0));
    assert_eq!((waiting.body.clone(), waiting.next_attempt_at), (held.final_body.clone(), Some(at(1))));
    assert_eq!(waiting.size, held.final_body.as_ref().expect("it has a body").len() as u64);
    assert_eq!((waiting.event, waiting.url.as_str()), (Completed, held.url.as_str()));
    assert_eq!((waiting.account.clone(), waiting.created_at), (account("acme"), at(1)));

    let finished = finished(&world, &held, message, 1, Verdict::Delivered);
    world.finish(finished.clone(), at(20)).await;
    let (sent, attempts) = read(&world, message).await;
    let expected =
        Delivery { state: DeliveryState::Delivered, attempts: 1, next_attempt_at: None, ..waiting };
    assert_eq!((sent, attempts), (expected, vec![finished.attempt]));
    assert!(world.store.delivery(DeliveryId { seq: 9, ..message }).await.expect("it is read").is_none());
}

/// A retry remembers when the schedule began and how often it was tried.
pub async fn a_retry_is_planned(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let held = ended(&world, 1).await;
    let message = final_of(&held);
    let first = finished(&world, &held, message, 1, Verdict::RetryAt(at(1000)));
    let outcome = world.finish(first.clone(), at(20)).await;
    assert!(matches!(outcome, LaneOutcome::DueAt(due) if due == at(1000)), "{outcome:?}");
    let (planned, _) = read(&world, message).await;
    assert_eq!((planned.state, planned.next_attempt_at), (DeliveryState::Pending, Some(at(1000))));
    assert!(world.claim_lanes(at(999)).await.is_empty());
    let again = world.claim_lane(at(1000)).await;
    assert!(again.lease_no > held.lease_no);
    assert_eq!(again.final_body, held.final_body);
    let last = again.lane.last.clone().expect("it is still owed");
    assert_eq!((last.attempts, last.tries, last.first_attempt_at), (1, 1, Some(first.attempt.started_at)));
    world.finish(finished(&world, &again, message, 2, Verdict::Delivered), at(1010)).await;
    let (sent, attempts) = read(&world, message).await;
    assert_eq!((sent.state, sent.attempts, attempts.len()), (DeliveryState::Delivered, 2, 2));
    assert_eq!(world.store.lane(id(1)).await.expect("the lane is read"), None);
}

/// A probe of a receiver that does not answer is recorded, and the schedule is where it was.
pub async fn a_postponed_message_spends_no_try(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut held = ended(&world, 1).await;
    let message = final_of(&held);
    // Before, between and after attempts that count.
    let verdicts = [Verdict::Postponed, Verdict::RetryAt, Verdict::Postponed, Verdict::RetryAt];
    let expected = [(1, 0, at(1)), (2, 1, at(2)), (3, 1, at(2)), (4, 2, at(2))];
    for (verdict, (number, tries, first)) in verdicts.into_iter().zip(expected) {
        let due = at(1000 * i64::from(number));
        let mut attempt = finished(&world, &held, message, number, verdict(due));
        attempt.attempt.started_at = at(i64::from(number));
        let outcome = world.finish(attempt, at(20)).await;
        assert!(matches!(outcome, LaneOutcome::DueAt(at) if at == due), "{outcome:?}");
        let (waiting, attempts) = read(&world, message).await;
        assert_eq!((waiting.state, waiting.next_attempt_at), (DeliveryState::Pending, Some(due)));
        assert_eq!((waiting.attempts, attempts.len()), (number, number as usize));
        held = world.claim_lane(due).await;
        let last = held.lane.last.clone().expect("it is still owed");
        assert_eq!((last.attempts, last.tries, last.first_attempt_at), (number, tries, Some(first)));
    }
}

/// Given up, kept, and owed again when somebody asks: as a manual message with a schedule of its own.
pub async fn an_exhausted_message_can_be_sent_again(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let held = ended(&world, 1).await;
    let message = final_of(&held);
    let outcome = world.finish(finished(&world, &held, message, 1, Verdict::GivenUp), at(20)).await;
    assert!(matches!(outcome, LaneOutcome::Idle), "{outcome:?}");
    assert_eq!(read(&world, message).await.0.state, DeliveryState::Exhausted);
    assert!(world.claim_lanes(at(9_999)).await.is_empty());

    assert_eq!(resend(&world, message, 30).await, ResendOutcome::Queued);
    assert_eq!(resend(&world, message, 31).await, ResendOutcome::AlreadyPending);
    assert_eq!(read(&world, message).await.0.state, DeliveryState::Pending);
    let again = world.claim_lane(at(30)).await;
    assert!(again.lease_no > held.lease_no, "the fence goes on");
    assert_eq!((again.final_body.clone(), again.url.clone()), (held.final_body.clone(), held.url.clone()));
    let last = again.lane.last.clone().expect("it is owed");
    assert_eq!((last.seq, last.attempts, last.tries, last.manual), (message.seq, 1, 0, true));
    assert_eq!(again.lane.next(at(30)), Next::Send(Completed));
    world.finish(finished(&world, &again, message, 2, Verdict::Delivered), at(40)).await;
    assert_eq!(read(&world, message).await.0.state, DeliveryState::Delivered);
    assert_eq!(resend(&world, message, 50).await, ResendOutcome::Queued, "delivered messages, too");
}

/// After a receiver was down, all that it has missed: oldest first, so many at once.
pub async fn what_was_given_up_since_a_time_can_be_sent_again(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let given_up = [
        (1, 5, Verdict::GivenUp),
        (2, 500, Verdict::GivenUp),
        (3, 500, Verdict::Delivered),
        (4, 5, Verdict::GivenUp),
    ];
    for (number, tried_at, verdict) in given_up {
        let held = ended(&world, number).await;
        let mut attempt = finished(&world, &held, final_of(&held), 1, verdict);
        attempt.attempt.started_at = at(tried_at);
        world.finish(attempt, at(tried_at)).await;
    }
    for number in [400, 401, 402] {
        let held = ended(&world, number).await;
        let verdict = if number == 401 { Verdict::RetryAt(at(9_999)) } else { Verdict::GivenUp };
        world.finish(finished(&world, &held, final_of(&held), 1, verdict), at(500)).await;
    }
    let resend = async |of: &str, after, limit| {
        let wanted = ResendSince { account: account(of), since: at(400), after, limit };
        world.store.resend_since(&wanted, at(600)).await.expect("the resend is written")
    };
    let key = |number| DeliveryId { prediction: id(number), seq: 1 };
    assert_eq!(resend("other", None, 9).await, ResentSince { queued: 0, next: None });
    // The first one was given up before, and so was the fourth.
    assert_eq!(resend("acme", None, 2).await, ResentSince { queued: 1, next: Some(key(2)) });
    assert_eq!(resend("acme", Some(key(2)), 2).await, ResentSince { queued: 1, next: Some(key(400)) });
    let claimed = async || {
        let lanes = world.claim_lanes(at(600)).await;
        let last = |lane: &ClaimedLane| lane.lane.last.clone().expect("it is owed");
        assert!(
            lanes.iter().all(|lane| last(lane).manual && last(lane).tries == 0 && lane.final_body.is_some())
        );
        lanes.iter().map(|lane| lane.prediction).collect::<Vec<_>>()
    };
    assert_eq!(claimed().await, [id(2), id(400)]);
    assert_eq!(resend("acme", Some(key(400)), 2).await, ResentSince { queued: 1, next: None });
    assert_eq!(claimed().await, [id(402)]);
    assert_eq!(resend("acme", None, 9).await, ResentSince { queued: 0, next: None });
    assert_eq!(read(&world, key(1)).await.0.state, DeliveryState::Exhausted, "that was before");
}

/// A receiver that refuses at once what is sent again keeps nobody from getting to the end.
pub async fn what_is_given_up_again_does_not_come_up_again(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let give_up = async |held: ClaimedLane, number, now| {
        let attempt = finished(&world, &held, final_of(&held), number, Verdict::GivenUp);
        world.finish(attempt, now).await;
    };
    for number in 1..=5 {
        give_up(ended(&world, number).await, 1, at(20)).await;
    }
    let (mut after, mut queued) = (None, Vec::new());
    loop {
        let wanted = ResendSince { account: account("acme"), since: at(0), after, limit: 2 };
        let resent = world.store.resend_since(&wanted, at(30)).await.expect("the resend is written");
        queued.push(resent.queued);
        for held in world.claim_lanes(at(30)).await {
            give_up(held, 2, at(40)).await;
        }
        after = resent.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(queued, [2, 2, 1]);
}

async fn run_with_all_events(world: &World) -> Run {
    world.create_run(request_with_webhook(1, &WebhookEvent::ALL)).await
}

/// Only final messages keep their bytes.
pub async fn what_cannot_be_sent_again(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with_all_events(&world).await;
    let held = claimed(world.advance_here(&mut run, started(at(10)), at(10)).await);
    let message = world.begin(&held, WebhookEvent::Start, 1, at(10)).await.expect("it is wanted");
    assert_eq!(resend(&world, message, 20).await, ResendOutcome::NotStored);
    world.finish(finished(&world, &held, message, 1, Verdict::Delivered), at(20)).await;
    assert_eq!(resend(&world, message, 30).await, ResendOutcome::NotStored);
    assert_eq!(resend(&world, DeliveryId { seq: 9, ..message }, 30).await, ResendOutcome::NotFound);
    let held = claimed(world.advance_here(&mut run, succeeded(), at(40)).await);
    assert_eq!(resend(&world, final_of(&held), 50).await, ResendOutcome::AlreadyPending);
}

/// A sender that lost its lane has sent all the same, and the record says so; the lane is as its new holder has it.
pub async fn a_fenced_attempt_is_recorded(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let held = ended(&world, 1).await;
    let message = final_of(&held);
    world.store.release_lanes(&world.node, &[(id(1), held.lease_no)]).await.expect("the release is written");
    let new = world.claim_lane(at(10)).await;
    for verdict in [Verdict::RetryAt(at(99)), Verdict::Delivered] {
        let outcome = world.finish(finished(&world, &held, message, 1, verdict), at(20)).await;
        assert!(matches!(outcome, LaneOutcome::Fenced), "{outcome:?}");
    }
    assert_eq!(world.store.lane(id(1)).await.expect("the lane is read"), Some(new.lane.clone()));
    let (delivery, attempts) = read(&world, message).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, 2));
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    let mut by_new = finished(&world, &new, message, 1, Verdict::Delivered);
    by_new.attempt.started_at = at(25);
    let outcome = world.finish(by_new, at(30)).await;
    assert!(matches!(outcome, LaneOutcome::Idle), "{outcome:?}");
    assert_eq!(read(&world, message).await.1.len(), 3);
}

/// Receivers answer what they like, and much of it.
pub async fn what_a_receiver_said_is_kept_as_it_was(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let held = ended(&world, 1).await;
    let mut attempts = Vec::new();
    for (number, detail) in (1..).zip(["\0", "a\0\0b\u{fffd}\u{10ffff}", &"long \0 ".repeat(20_000), ""]) {
        let mut retry = finished(&world, &held, final_of(&held), number, Verdict::RetryAt(at(99)));
        detail.clone_into(&mut retry.attempt.detail);
        attempts.push(retry.attempt.clone());
        world.finish(retry, at(20)).await;
    }
    assert_eq!(read(&world, final_of(&held)).await.1, attempts);
}

/// What was on the wire, also where there was little or it was strange.
pub async fn a_report_is_kept_as_it_was(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let held = ended(&world, 1).await;
    let lines = |headers: &[(&str, &str)]| {
        let mut lines = HeaderLines::default();
        headers.iter().for_each(|(name, value)| lines.push(name, value));
        lines
    };
    let strange = ResponseReport {
        headers: lines(&[("x", ""), ("x", "\"ä\"\u{0}")]),
        body: "a\0b\u{10ffff}\n".repeat(500),
        truncated: true,
    };
    let full = AttemptReport {
        peer: Some("[::1]:443".to_owned()),
        dns_us: Some(0),
        connect_us: Some(1),
        tls_us: Some(u64::MAX),
        first_byte_us: Some(20_000),
        request_headers: lines(&[("webhook-id", "msg_1")]),
        response: Some(strange),
    };
    let mut attempts = Vec::new();
    for (number, report) in (1..).zip([None, Some(AttemptReport::default()), Some(full)]) {
        let mut retry = finished(&world, &held, final_of(&held), number, Verdict::RetryAt(at(99)));
        retry.attempt.report = report;
        attempts.push(retry.attempt.clone());
        world.finish(retry, at(20)).await;
    }
    assert_eq!(read(&world, final_of(&held)).await.1, attempts);
}

/// What the caller asked for is known from the create until long after the end, when the lane has been forgotten.
pub async fn options_go_with_every_message(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let options = WebhookOptions {
        schedule: Some("5s,1m".parse().expect("a schedule")),
        metadata: Some("order=7; name=\"x\"".to_owned()),
        gzip: true,
        ..WebhookOptions::default()
    };
    let mut request = request_with_webhook(1, &[Output, Completed]);
    request.webhook.iter_mut().for_each(|webhook| webhook.options = options.clone());
    let mut run = world.create_run(request.clone()).await;
    assert_eq!(*world.load(id(1)).await.request, request);
    let handed_over = claimed(world.advance_here(&mut run, said(vec![item("x")]), at(10)).await);
    assert_eq!(handed_over.options, options);
    world.advance(&mut run, succeeded(), at(20)).await;
    let released = [(id(1), handed_over.lease_no)];
    world.store.release_lanes(&world.node, &released).await.expect("the release is written");
    let held = world.claim_lane(at(20)).await;
    assert_eq!(held.options, options);
    world.finish(finished(&world, &held, final_of(&held), 1, Verdict::GivenUp), at(30)).await;
    assert_eq!(world.store.lane(id(1)).await.expect("the lane is read"), None, "it is forgotten");
    assert_eq!(resend(&world, final_of(&held), 40).await, ResendOutcome::Queued);
    assert_eq!(world.claim_lane(at(40)).await.options, options);
}

/// Intermediate messages have one attempt.
pub async fn a_failed_intermediate_message_is_not_sent_again(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with_all_events(&world).await;
    let held = claimed(world.advance_here(&mut run, started(at(10)), at(10)).await);
    let message = world.begin(&held, WebhookEvent::Start, 1, at(10)).await.expect("it is wanted");
    assert_eq!(read(&world, message).await.0.state, DeliveryState::Sending);
    let outcome = world.finish(finished(&world, &held, message, 1, Verdict::GivenUp), at(20)).await;
    assert!(matches!(outcome, LaneOutcome::Idle), "{outcome:?}");
    let (failed, attempts) = read(&world, message).await;
    assert_eq!((failed.state, failed.attempts, attempts.len()), (DeliveryState::Failed, 1, 1));
    assert_eq!((failed.body, failed.size, failed.body_sha256), (None, 2, [9; 32]));
    assert!(world.claim_lanes(at(9_999)).await.is_empty());
}

/// Newest prediction first, its newest message first; one account's only.
pub async fn messages_are_listed_newest_first(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut first = world.create_run(request_with_webhook(1, &[Output, Completed])).await;
    let held = claimed(world.advance_here(&mut first, said(vec![item("x")]), at(10)).await);
    let message = world.begin(&held, Output, 1, at(10)).await.expect("it is wanted");
    world.finish(finished(&world, &held, message, 1, Verdict::Delivered), at(10)).await;
    world.advance(&mut first, succeeded(), at(20)).await;
    let second = ended(&world, 2).await;
    world.finish(finished(&world, &second, final_of(&second), 1, Verdict::GivenUp), at(30)).await;
    let other = Request { account: account("other"), ..request_with_webhook(3, &[Completed]) };
    let mut other = world.create_run(other).await;
    world.advance(&mut other, succeeded(), at(30)).await;

    let mut going = world.create_run(request_with_webhook(4, &[Output, Completed])).await;
    let held = claimed(world.advance_here(&mut going, said(vec![item("x")]), at(30)).await);
    world.begin(&held, Output, 1, at(30)).await.expect("it is wanted");
    ended(&world, 5).await;

    let all = ListDeliveries { account: account("acme"), state: None, before: None, limit: 10 };
    let pending = ListDeliveries { state: Some(DeliveryState::Pending), ..all.clone() };
    let key = |number, seq| DeliveryId { prediction: id(number), seq };
    let cases = [
        (all.clone(), vec![key(5, 1), key(4, 1), key(2, 1), key(1, 2), key(1, 1)]),
        (ListDeliveries { limit: 2, ..all.clone() }, vec![key(5, 1), key(4, 1)]),
        (ListDeliveries { before: Some(key(1, 2)), ..all.clone() }, vec![key(1, 1)]),
        (pending.clone(), vec![key(5, 1), key(1, 2)]),
        (ListDeliveries { limit: 1, ..pending.clone() }, vec![key(5, 1)]),
        (ListDeliveries { before: Some(key(5, 1)), ..pending.clone() }, vec![key(1, 2)]),
        (ListDeliveries { before: Some(key(1, 2)), ..pending }, vec![]),
        (ListDeliveries { state: Some(DeliveryState::Sending), ..all.clone() }, vec![key(4, 1)]),
        (ListDeliveries { state: Some(DeliveryState::Exhausted), ..all.clone() }, vec![key(2, 1)]),
        (ListDeliveries { account: account("other"), ..all }, vec![key(3, 1)]),
    ];
    for (query, expected) in cases {
        let page = world.store.list_deliveries(&query).await.expect("the page is read");
        assert_eq!(page.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), expected, "{query:?}");
    }
}

/// What waits, since when, and what was given up.
pub async fn the_backlog_is_counted(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let backlog_at = async |now: Timestamp| world.store.backlog(now).await.expect("the backlog is read");
    let backlog = async || backlog_at(at(20)).await;
    assert_eq!(backlog().await, Backlog::default());
    let mut running = run_with_all_events(&world).await;
    world.advance(&mut running, started(at(1)), at(1)).await;
    assert_eq!(backlog().await, Backlog::default(), "only final messages count");
    let given_up = ended(&world, 2).await;
    let waiting = ended(&world, 3).await;
    ended(&world, 4).await;
    assert_eq!(backlog().await, Backlog { pending: 3, due: 3, oldest: Some(at(2)), exhausted: 0 });
    let mut retried = finished(&world, &waiting, final_of(&waiting), 1, Verdict::RetryAt(at(99)));
    retried.attempt.started_at = at(3);
    let given_up_now = finished(&world, &given_up, final_of(&given_up), 1, Verdict::GivenUp);
    world
        .store
        .finish_attempts([given_up_now, retried].into(), at(20))
        .await
        .expect("the attempts are written");
    let expected = Backlog { pending: 2, due: 1, oldest: Some(at(3)), exhausted: 1 };
    assert_eq!(backlog().await, expected, "one waits for its next attempt");
    assert_eq!(backlog_at(at(99)).await, Backlog { due: 2, ..expected });
    let mut due = world.claim_lanes(at(99)).await.into_iter();
    let again = due.find(|lane| lane.prediction == id(3)).expect("it is due again");
    world.finish(finished(&world, &again, final_of(&again), 2, Verdict::Delivered), at(99)).await;
    assert_eq!(resend(&world, final_of(&given_up), 100).await, ResendOutcome::Queued);
    let backlog = backlog().await;
    assert_eq!(
        backlog,
        Backlog { pending: 2, due: 1, oldest: Some(at(4)), exhausted: 0 },
        "it waits since it was resent"
    );
}
