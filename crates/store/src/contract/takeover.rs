//! What becomes of the work of nodes that are gone.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::prediction::{DeadlineKind, Kind, Request};
use cogwire_core::time::Timestamp;
use cogwire_core::webhook::event::WebhookEvent;

use super::Home;
use super::fixture::{
    World, at, claimed, final_of, finished, id, item, log, node, request, request_with_webhook, said,
    succeeded, version,
};
use crate::delivery::{DeliveryState, LaneOutcome, Verdict};
use crate::node::{HeldRun, LostRun, Node, Renewal, TakeOver, TakenOver};
use crate::prediction::{CommitOutcome, Overdue};

const MAX_RUNS: u32 = 2;

const QUEUE: Duration = Duration::from_secs(600);

/// The time when the second node begins: the first one's lease is over.
fn later() -> Timestamp {
    at(120_000)
}

/// A second node begins after the first one is gone.
async fn succeed_to(world: &mut World) {
    world.node = node("two");
    let node = world.node.clone();
    world.register(&node, later()).await;
}

fn how(now: Timestamp, limit: u32) -> TakeOver {
    TakeOver { leases_ended_before: now, max_runs: MAX_RUNS, queue_deadline: now + QUEUE, limit }
}

async fn take_over(world: &World) -> TakenOver {
    world.store.take_over(&world.node, how(later(), 10)).await.expect("the take-over is written")
}

/// Nothing of it is durable, so it can be run again; the old holder cannot go on.
pub async fn a_silent_run_waits_again(home: Arc<dyn Home>) {
    let mut world = World::new(home).await;
    let old = world.create_run(request(1)).await;
    world.create_run(Request { cancel_at: Some(at(200_000)), ..request(2) }).await;
    succeed_to(&mut world).await;
    assert_eq!(take_over(&world).await, TakenOver { requeued: 2, ..TakenOver::default() });
    assert_eq!(take_over(&world).await, TakenOver::default(), "once is enough");
    let outcome = world.commit(old.commit_of(succeeded(), at(121_000))).await;
    assert!(matches!(outcome, CommitOutcome::Fenced));
    let overdue = world.store.overdue(at(200_000), 10).await.expect("the deadlines are read");
    assert_eq!(
        overdue,
        [Overdue { id: id(2), kind: DeadlineKind::CancelAfter }],
        "its setup is over, its limit is not"
    );
    let overdue = world.store.overdue(later() + QUEUE, 10).await.expect("the deadlines are read");
    assert!(
        overdue.contains(&Overdue { id: id(1), kind: DeadlineKind::Queue }),
        "it waits anew: {overdue:?}"
    );
    let again = world.claim(1).await.remove(0);
    assert_eq!((again.prediction.id(), again.run), (id(1), 2));
}

/// Somebody may have seen what it said, so it is not run again.
pub async fn a_run_that_showed_life_is_lost(home: Arc<dyn Home>) {
    let mut world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    world.advance(&mut run, said(vec![log("l")]), at(10)).await;
    succeed_to(&mut world).await;
    let lost = vec![LostRun { id: id(1), runs: 1, showed_life: true }];
    assert_eq!(take_over(&world).await, TakenOver { lost, ..TakenOver::default() });
    let outcome = world.commit(run.commit_of(succeeded(), at(121_000))).await;
    assert!(matches!(outcome, CommitOutcome::Fenced));
    assert!(world.claim(1).await.is_empty());
    assert_eq!(take_over(&world).await, TakenOver::default(), "it is the new node's to end");
}

/// A training is not run again, even when nobody has seen anything of it.
pub async fn a_training_is_lost_however_silent(home: Arc<dyn Home>) {
    let mut world = World::new(home).await;
    let training = |number| Request { kind: Kind::Training, ..request(number) };
    world.create_run(training(1)).await;
    let mut loud = world.create_run(training(2)).await;
    world.advance(&mut loud, said(vec![log("l")]), at(10)).await;
    world.create_run(request(3)).await;
    world.create(training(4)).await;
    succeed_to(&mut world).await;
    let lost = |number, showed_life| LostRun { id: id(number), runs: 1, showed_life };
    let mut taken = take_over(&world).await;
    taken.lost.sort_unstable_by_key(|lost| lost.id);
    assert_eq!((taken.requeued, taken.lost), (1, vec![lost(1, false), lost(2, true)]));
    let waiting: Vec<_> = world.claim(9).await.iter().map(|claimed| claimed.prediction.id()).collect();
    assert_eq!(waiting, [id(3), id(4)], "one that had not begun still waits");
}

/// A prediction that brings every server down is not run for ever.
pub async fn a_run_that_was_begun_too_often_is_lost(home: Arc<dyn Home>) {
    let mut world = World::new(home).await;
    world.create_run(request(1)).await;
    for (run, name) in [(1, "two"), (2, "three"), (3, "four")] {
        world.store.retire_node(&world.node).await.expect("the node goes");
        world.node = node(name);
        let node = world.node.clone();
        world.register(&node, later()).await;
        let taken = take_over(&world).await;
        if run <= MAX_RUNS {
            assert_eq!((taken.requeued, world.claim(1).await[0].run), (1, run + 1));
        } else {
            assert_eq!(taken.lost, [LostRun { id: id(1), runs: run, showed_life: false }]);
        }
    }
}

/// Lost runs come a few at a time; none is forgotten and none comes twice.
pub async fn lost_runs_are_limited(home: Arc<dyn Home>) {
    let mut world = World::new(home).await;
    for number in 1..=5 {
        let mut run = world.create_run(request(number)).await;
        world.advance(&mut run, said(vec![item("x")]), at(10)).await;
    }
    succeed_to(&mut world).await;
    let mut all = Vec::new();
    for expected in [2, 2, 1, 0] {
        let taken = world.store.take_over(&world.node, how(later(), 2)).await.expect("it is written");
        assert_eq!(taken.lost.len(), expected);
        all.extend(taken.lost.into_iter().map(|lost| lost.id));
    }
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4, 5].map(id));
}

/// Final messages are sent again; the one that was under way is not, for nobody knows whether it arrived.
pub async fn lanes_are_taken_over(home: Arc<dyn Home>) {
    let mut world = World::new(home).await;
    let mut first = world.create_run(request_with_webhook(1, &[WebhookEvent::Completed])).await;
    let final_lane = claimed(world.advance_here(&mut first, succeeded(), at(10)).await);
    let mut second = world.create_run(request_with_webhook(2, &[WebhookEvent::Output])).await;
    let progress_lane = claimed(world.advance_here(&mut second, said(vec![item("x")]), at(10)).await);
    let message = world.begin(&progress_lane, WebhookEvent::Output, 1, at(10)).await.expect("it is wanted");
    let old = finished(&world, &final_lane, final_of(&final_lane), 1, Verdict::Delivered);
    succeed_to(&mut world).await;
    let taken = take_over(&world).await;
    assert_eq!((taken.lanes, taken.lost.len()), (2, 1));
    let again = world.claim_lane(later()).await;
    assert_eq!((again.prediction, again.final_body.clone()), (id(1), final_lane.final_body));
    let (interrupted, _) = world.store.delivery(message).await.expect("it is read").expect("it is there");
    assert_eq!(interrupted.state, DeliveryState::Interrupted);
    let outcome = world.finish(old, later()).await;
    assert!(matches!(outcome, LaneOutcome::Fenced), "{outcome:?}");
}

/// An orderly stop needs no waiting.
pub async fn a_retired_node_is_taken_over(home: Arc<dyn Home>) {
    let mut world = World::new(home).await;
    world.create_run(request(1)).await;
    world.store.retire_node(&world.node).await.expect("the node is retired");
    let renewal = world.store.renew_node(&world.node, at(10), later()).await.expect("the answer is no");
    assert_eq!(renewal, Renewal::GivenUp);
    world.node = node("two");
    let node = world.node.clone();
    world.register(&node, at(10)).await;
    let taken = world.store.take_over(&world.node, how(at(10), 10)).await.expect("it is written");
    assert_eq!(taken.requeued, 1);
}

/// A node that is alive keeps its work, and never takes it from itself.
pub async fn a_node_keeps_what_it_holds(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request_with_webhook(1, &[WebhookEvent::Output])).await;
    let held = claimed(world.advance_here(&mut run, said(vec![item("x")]), at(10)).await);
    let renewal = world.store.renew_node(&world.node, at(10), later()).await.expect("it is renewed");
    assert_eq!(renewal, Renewal::Renewed { peers: 0 });
    for now in [at(10), later() + Duration::from_secs(1)] {
        let taken = world.store.take_over(&world.node, how(now, 10)).await.expect("it is written");
        assert_eq!(taken, TakenOver::default());
    }
    assert!(world.begin(&held, WebhookEvent::Output, 1, at(20)).await.is_some());
    world.advance(&mut run, succeeded(), at(30)).await;
}

/// What a node has to look after can be asked for, by whoever has lost count.
pub async fn what_a_node_holds_is_known(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let silent = world.create_run(request(1)).await;
    let mut loud = world.create_run(request_with_webhook(2, &[WebhookEvent::Output])).await;
    let lane = claimed(world.advance_here(&mut loud, said(vec![item("x")]), at(10)).await);
    world.create(request(3)).await;
    let mut held = world.store.held_runs(&world.node).await.expect("it is read");
    held.sort_unstable_by_key(|run| run.id);
    let run = |run: &super::fixture::Run, showed_life| HeldRun {
        id: run.id(),
        lease_no: run.lease.lease_no,
        showed_life,
    };
    assert_eq!(held, [run(&silent, false), run(&loud, true)]);
    let lanes = world.store.held_lanes(&world.node).await.expect("it is read");
    assert_eq!(lanes, [(id(2), lane.lease_no)]);
    let nobody = node("nobody");
    assert!(world.store.held_runs(&nobody).await.expect("it is read").is_empty());
    assert!(world.store.held_lanes(&nobody).await.expect("it is read").is_empty());
}

/// The others know a node for as long as its lease lasts.
pub async fn nodes_are_known_while_they_live(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let alive = async |now| world.store.live_nodes(now).await.expect("it is read");
    let expected =
        Node { epoch: world.node.clone(), roles: "api run".to_owned(), versions: vec![version(1)] };
    assert_eq!(alive(at(10)).await, [expected]);
    assert!(alive(later()).await.is_empty(), "its lease is over");
}

/// What a node runs changes while it lives, and only while it does.
pub async fn a_node_can_say_anew_what_it_runs(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let versions = async || {
        let nodes = world.store.live_nodes(at(10)).await.expect("it is read");
        nodes.into_iter().flat_map(|node| node.versions).collect::<Vec<_>>()
    };
    let announce = async |numbers: &[u8]| {
        let versions: Vec<_> = numbers.iter().copied().map(version).collect();
        world.store.announce(&world.node, &versions).await.expect("it is written");
    };
    announce(&[2, 3]).await;
    assert_eq!(versions().await, [version(2), version(3)]);
    announce(&[]).await;
    assert!(versions().await.is_empty());
    world.store.retire_node(&world.node).await.expect("the node goes");
    announce(&[1]).await;
    assert!(versions().await.is_empty(), "it does not come back by that");
}

/// A store that works says so.
pub async fn the_store_can_be_checked(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    world.store.check().await.expect("it works");
}
