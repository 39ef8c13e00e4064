//! What is owed to a receiver, in which order, and who sends it.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::{Request, Transition};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent::{Completed, Logs, Output, Start};
use cogwire_core::webhook::event::{EventSet, WebhookEvent};
use cogwire_core::webhook::pacing::{Lane, Next, PACE};

use super::Home;
use super::fixture::{
    Run, World, at, claimed, final_of, finished, id, item, log, node, request, request_with_webhook, said,
    started, succeeded, webhook,
};
use crate::NodeEpoch;
use crate::delivery::{ClaimedLane, LaneClaim, LaneClaims, LaneOutcome, Verdict};
use crate::prediction::LaneEffect;

async fn lane(world: &World) -> Option<Lane> {
    world.store.lane(id(1)).await.expect("the lane is read")
}

async fn run_with(world: &World, events: &[WebhookEvent]) -> Run {
    world.create_run(request_with_webhook(1, events)).await
}

/// Sends an intermediate message of a lane that is held: begins it and finishes it.
async fn send(
    world: &World,
    held: &ClaimedLane,
    event: WebhookEvent,
    run: &Run,
    now: Timestamp,
) -> LaneOutcome {
    let revision = run.prediction.revision;
    let message = world.begin(held, event, revision, now).await.expect("the message is wanted");
    world.finish(finished(world, held, message, 1, Verdict::Delivered), now).await
}

fn continued(outcome: LaneOutcome) -> ClaimedLane {
    match outcome {
        LaneOutcome::Continue(held) => *held,
        other => panic!("the lane should go on, and it was {other:?}"),
    }
}

/// Nobody asked for messages.
pub async fn without_a_webhook_there_is_no_lane(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    for event in [said(vec![item("x")]), succeeded()] {
        let effect = world.advance_here(&mut run, event, at(10)).await;
        assert!(matches!(effect, LaneEffect::None));
        assert_eq!(lane(&world).await, None);
    }
}

/// A filter that nothing matches leaves nothing behind.
pub async fn what_nobody_wants_makes_no_lane(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with(&world, &[Logs]).await;
    for event in [said(vec![item("x")]), succeeded()] {
        let effect = world.advance_here(&mut run, event, at(10)).await;
        assert!(matches!(effect, LaneEffect::None));
        assert_eq!(lane(&world).await, None);
    }
    assert!(world.store.deliveries(id(1)).await.expect("the messages are read").is_empty());
}

/// The common path: the commit hands the message over, body and all, and the sender finishes it.
pub async fn the_final_message_is_claimed_with_its_commit(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with(&world, &[Output, Completed]).await;
    let transition: Transition = run.commit_of(succeeded(), at(10)).transition;
    let held = claimed(world.advance_here(&mut run, succeeded(), at(10)).await);
    let body = &transition.wants().completed.as_ref().expect("it is subscribed to").body;
    assert_eq!(held.final_body.as_deref(), Some(body.as_bytes()));
    assert_eq!(
        (held.url.as_str(), held.origin.as_str()),
        ("http://localhost:3000/hook", "http://localhost:3000")
    );
    assert_eq!((held.prediction, held.account.clone()), (id(1), run.prediction.request.account.clone()));
    assert_eq!(lane(&world).await, Some(held.lane.clone()));
    assert!(world.claim_lanes(at(9_999)).await.is_empty(), "it is held");
    let outcome = world.finish(finished(&world, &held, final_of(&held), 1, Verdict::Delivered), at(20)).await;
    assert!(matches!(outcome, LaneOutcome::Idle), "{outcome:?}");
    assert_eq!(lane(&world).await, None);
}

/// Start, then progress, then the end; each after the one before.
pub async fn messages_go_in_order(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with(&world, &WebhookEvent::ALL).await;
    let effect = world.advance(&mut run, started(at(10)), at(10)).await;
    assert!(matches!(effect, LaneEffect::DueAt(due) if due <= at(10)), "{effect:?}");
    let held = world.claim_lane(at(10)).await;
    assert_eq!(held.lane.next(at(10)), Next::Send(Start));
    world.advance(&mut run, said(vec![log("l")]), at(20)).await;
    let held = continued(send(&world, &held, Start, &run, at(30)).await);
    assert_eq!(held.lane.next(at(30)), Next::Send(Logs));
    let outcome = send(&world, &held, Logs, &run, at(40)).await;
    assert!(matches!(outcome, LaneOutcome::Idle), "{outcome:?}");
    let held = claimed(world.advance_here(&mut run, succeeded(), at(50)).await);
    world.finish(finished(&world, &held, final_of(&held), 1, Verdict::Delivered), at(60)).await;
    let sent = world.store.deliveries(id(1)).await.expect("the messages are read");
    let sent: Vec<_> = sent.iter().map(|delivery| (delivery.id.seq, delivery.event)).collect();
    assert_eq!(sent, [(1, Start), (2, Logs), (3, Completed)]);
}

/// What was committed after a body was rendered is not in it, so it is still owed.
pub async fn progress_that_comes_late_stays_wanted(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with(&world, &[Output, Completed]).await;
    let held = claimed(world.advance_here(&mut run, said(vec![item("x")]), at(10)).await);
    let rendered = run.prediction.revision;
    world.advance(&mut run, said(vec![item("y")]), at(20)).await;
    let message = world.begin(&held, Output, rendered, at(30)).await.expect("the message is wanted");
    let outcome = world.finish(finished(&world, &held, message, 1, Verdict::Delivered), at(40)).await;
    assert!(matches!(outcome, LaneOutcome::DueAt(due) if due == at(30) + PACE), "{outcome:?}");
    let held = world.claim_lane(at(530)).await;
    let outcome = send(&world, &held, Output, &run, at(530)).await;
    assert!(matches!(outcome, LaneOutcome::Idle), "all of it has been shown: {outcome:?}");
}

/// Progress that still waits is not sent any more, and is counted.
pub async fn the_final_message_takes_the_place_of_progress(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with(&world, &[Output, Completed]).await;
    world.advance(&mut run, said(vec![item("x")]), at(10)).await;
    let held = claimed(world.advance_here(&mut run, succeeded(), at(20)).await);
    assert_eq!(held.lane.next(at(20)), Next::Send(Completed));
    let sent = world.store.deliveries(id(1)).await.expect("the messages are read");
    assert_eq!((sent.len(), sent[0].superseded, sent[0].id.seq), (1, 1, 1));
}

/// The end came between the claim and the message: the message is refused, and the final one is due.
pub async fn a_superseded_message_is_not_begun(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with(&world, &[Output, Completed]).await;
    let held = claimed(world.advance_here(&mut run, said(vec![item("x")]), at(10)).await);
    let effect = world.advance_here(&mut run, succeeded(), at(20)).await;
    assert!(matches!(effect, LaneEffect::None), "its holder goes on: {effect:?}");
    assert_eq!(world.begin(&held, Output, 1, at(30)).await, None);
    let again = world.claim_lane(at(30)).await;
    assert!(again.lease_no > held.lease_no);
    assert_eq!(again.lane.next(at(30)), Next::Send(Completed));
    assert!(again.final_body.is_some());
    let sent = world.store.deliveries(id(1)).await.expect("the messages are read");
    assert_eq!(sent.len(), 1);
}

/// While a message is under way, what is new waits for its end.
pub async fn a_lane_that_is_held_is_left_to_its_holder(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with(&world, &WebhookEvent::ALL).await;
    let held = claimed(world.advance_here(&mut run, started(at(10)), at(10)).await);
    let message = world.begin(&held, Start, 1, at(10)).await.expect("the message is wanted");
    for event in [said(vec![item("x")]), succeeded()] {
        let effect = world.advance_here(&mut run, event, at(20)).await;
        assert!(matches!(effect, LaneEffect::None), "{effect:?}");
    }
    assert!(world.claim_lanes(at(9_999)).await.is_empty());
    let held = continued(world.finish(finished(&world, &held, message, 1, Verdict::GivenUp), at(30)).await);
    assert_eq!(held.lane.next(at(30)), Next::Send(Completed));
    assert!(held.final_body.is_some(), "the body comes with the lane");
    assert_eq!(final_of(&held).seq, 2);
}

/// Without a final message the last progress is still sent, and then nothing is left.
pub async fn trailing_progress_goes_out_without_a_final_message(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with(&world, &[Output]).await;
    let held = claimed(world.advance_here(&mut run, said(vec![item("x")]), at(10)).await);
    send(&world, &held, Output, &run, at(10)).await;
    world.advance(&mut run, said(vec![item("y")]), at(20)).await;
    let effect = world.advance_here(&mut run, succeeded(), at(30)).await;
    assert!(matches!(effect, LaneEffect::DueAt(due) if due == at(10) + PACE), "{effect:?}");
    assert!(world.claim_lanes(at(509)).await.is_empty());
    let held = world.claim_lane(at(510)).await;
    let outcome = send(&world, &held, Output, &run, at(510)).await;
    assert!(matches!(outcome, LaneOutcome::Idle), "{outcome:?}");
    assert_eq!(lane(&world).await, None);
}

/// A lane with nothing to say is kept while its prediction runs, and forgotten with its end.
pub async fn an_idle_lane_remembers_its_pace(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = run_with(&world, &[Output]).await;
    let held = claimed(world.advance_here(&mut run, said(vec![item("x")]), at(10)).await);
    send(&world, &held, Output, &run, at(10)).await;
    let idle = lane(&world).await.expect("it is remembered");
    assert_eq!((idle.want_progress, idle.last_progress_at, idle.next_seq), (EventSet::NONE, Some(at(10)), 2));
    let effect = world.advance_here(&mut run, said(vec![item("y")]), at(100)).await;
    assert!(matches!(effect, LaneEffect::DueAt(due) if due == at(10) + PACE), "{effect:?}");
    let held = world.claim_lane(at(600)).await;
    send(&world, &held, Output, &run, at(600)).await;
    world.advance(&mut run, succeeded(), at(700)).await;
    assert_eq!(lane(&world).await, None);
}

/// A prediction that ended at `at(number)` and whose final message waits for an origin.
async fn owe(world: &World, number: u32, origin: &str) {
    let request = Request { webhook: Some(webhook(origin, &[Completed])), ..request(number) };
    let mut run = world.create_run(request).await;
    world.advance(&mut run, succeeded(), at(i64::from(number))).await;
}

async fn claim(world: &World, limit: u32, per_origin: u32, now: i64) -> LaneClaims {
    let claim = LaneClaim { limit, per_origin, now: at(now) };
    world.store.claim_lanes(&world.node, claim).await.expect("the claim is written")
}

fn claimed_numbers(claims: &LaneClaims) -> Vec<u32> {
    let number = |lane: &ClaimedLane| (0..100).find(|number| id(*number) == lane.prediction);
    claims.lanes.iter().map(|lane| number(lane).expect("an id of this test")).collect()
}

/// However much waits for one receiver, the others have their turn; the longest due goes first.
pub async fn origins_take_turns(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=6 {
        owe(&world, number, "http://c.example").await;
    }
    owe(&world, 7, "http://a.example").await;
    owe(&world, 8, "http://b.example").await;
    owe(&world, 9, "http://a.example").await;
    assert_eq!(claimed_numbers(&claim(&world, 5, 10, 100).await), [1, 7, 8, 2, 9]);
    assert_eq!(claimed_numbers(&claim(&world, 2, 10, 100).await), [3, 4]);
    let rest = claim(&world, 10, 10, 100).await;
    assert_eq!((claimed_numbers(&rest), rest.next_due), (vec![5, 6], None));
}

/// When every origin has one turn, what waits behind the first is due next.
pub async fn what_waits_behind_a_claimed_lane_is_named(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for (number, origin) in [(1, "http://a.example"), (2, "http://b.example"), (3, "http://a.example")] {
        owe(&world, number, origin).await;
    }
    let both = claim(&world, 2, 10, 100).await;
    assert_eq!((claimed_numbers(&both), both.next_due), (vec![1, 2], Some(at(3))));
}

/// Two claims at once do not get the same lane.
pub async fn a_lane_is_claimed_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=20 {
        owe(&world, number, "http://a.example").await;
    }
    let (one, other) = tokio::join!(claim(&world, 20, 20, 100), claim(&world, 20, 20, 100));
    let mut all = [claimed_numbers(&one), claimed_numbers(&other)].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=20).collect::<Vec<_>>());
}

/// No more of one origin than was asked for.
pub async fn the_limit_of_an_origin_holds(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=4 {
        owe(&world, number, "http://a.example").await;
    }
    owe(&world, 5, "http://b.example").await;
    let first = claim(&world, 10, 2, 100).await;
    assert_eq!((claimed_numbers(&first), first.next_due), (vec![1, 5, 2], Some(at(3))));
    assert!(claim(&world, 10, 0, 100).await.lanes.is_empty());
    assert!(claim(&world, 0, 10, 100).await.lanes.is_empty());
}

/// Whoever claims knows when to come again.
pub async fn the_next_due_lane_is_named(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    assert_eq!(claim(&world, 10, 10, 100).await.next_due, None);
    for number in [10, 20, 30] {
        owe(&world, number, "http://a.example").await;
    }
    owe(&world, 15, "http://b.example").await;
    let none = claim(&world, 10, 10, 9).await;
    assert_eq!((claimed_numbers(&none), none.next_due), (vec![], Some(at(10))));
    let one = claim(&world, 10, 10, 10).await;
    assert_eq!((claimed_numbers(&one), one.next_due), (vec![10], Some(at(15))));
    let one = claim(&world, 1, 10, 30).await;
    assert_eq!((claimed_numbers(&one), one.next_due), (vec![15], Some(at(20))));
}

/// Given back unsent: due as before, under a new fence; only the holder can.
pub async fn released_lanes_are_due_again(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    owe(&world, 1, "http://a.example").await;
    owe(&world, 2, "http://a.example").await;
    let lanes = world.claim_lanes(at(10)).await;
    let held: Vec<_> = lanes.iter().map(|lane| (lane.prediction, lane.lease_no)).collect();
    let release = async |node: NodeEpoch, lanes: &[(PredictionId, u64)]| {
        world.store.release_lanes(&node, lanes).await.expect("the release is written");
    };
    release(node("two"), &held).await;
    release(world.node.clone(), &[(id(1), 77)]).await;
    assert!(world.claim_lanes(at(10)).await.is_empty());
    release(world.node.clone(), &held).await;
    let again = world.claim_lanes(at(10) + Duration::from_micros(1)).await;
    assert_eq!(again.len(), 2);
    assert!(again[0].lease_no > lanes[0].lease_no);
    let outcome =
        world.finish(finished(&world, &lanes[0], final_of(&lanes[0]), 1, Verdict::Delivered), at(20)).await;
    assert!(matches!(outcome, LaneOutcome::Fenced), "{outcome:?}");
}
