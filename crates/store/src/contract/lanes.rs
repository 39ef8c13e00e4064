//! What is owed to a receiver, in which order, and who sends it.

use std::sync::Arc;

use cogwire_core::prediction::Transition;
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent::{Completed, Logs, Output, Start};
use cogwire_core::webhook::event::{EventSet, WebhookEvent};
use cogwire_core::webhook::pacing::{Lane, Next, PACE};

use super::Home;
use super::fixture::{
    Run, World, at, claimed, final_of, finished, id, item, log, request, request_with_webhook, said, started,
    succeeded,
};
use crate::delivery::{ClaimedLane, LaneOutcome, Verdict};
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
