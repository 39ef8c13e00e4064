//! Handing out waiting predictions, and their deadlines.

use std::sync::Arc;

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::{Deadline, DeadlineKind, Event, Prediction, Request};

use futures_util::future::join_all;

use super::Home;
use super::fixture::{
    Run, World, at, commit_of, id, item, new, node, request, said, succeeded, version, wanted,
};
use crate::prediction::{CommitOutcome, FURTHEST_POSITION, Guard, Lease, Load, NewPrediction, Overdue};

fn ids(claimed: &[crate::prediction::Claimed]) -> Vec<PredictionId> {
    claimed.iter().map(|claimed| claimed.prediction.id()).collect()
}

/// Oldest first, at most the limit, each once.
pub async fn the_oldest_waiting_predictions_are_claimed(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in [3, 1, 2] {
        world.create(request(number)).await;
    }
    let first = world.claim(2).await;
    assert_eq!(ids(&first), [id(1), id(2)]);
    assert_eq!(first[0].prediction, Prediction::new(request(1)));
    assert_eq!((first[0].run, first[0].lease.node.clone()), (1, world.node.clone()));
    assert_eq!(ids(&world.claim(2).await), [id(3)]);
    assert!(world.claim(2).await.is_empty());
}

/// A node gets what it can serve, in one order over all of its versions.
pub async fn a_claim_sees_only_its_versions(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for (number, of) in [(1, 2), (2, 3), (3, 1), (4, 2)] {
        world.create(Request { version: version(of), ..request(number) }).await;
    }
    let versions = [wanted(1, 10), wanted(2, 1), wanted(2, 10), wanted(9, 10)];
    assert_eq!(ids(&world.claim_wanted(&versions, 10).await), [id(1), id(3), id(4)]);
    assert!(world.claim_wanted(&[], 10).await.is_empty());
}

/// A node with little room for one version gets little of it, however much of it waits, and the oldest of the others.
pub async fn the_limits_of_a_claim_hold(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=30 {
        let of = if number <= 20 { 1 } else { 2 + (number % 2) as u8 };
        world.create(Request { version: version(of), ..request(number) }).await;
    }
    let versions = [wanted(1, 2), wanted(2, 3), wanted(3, 0)];
    assert_eq!(ids(&world.claim_wanted(&versions, 10).await), [1, 2, 22, 24, 26].map(id));
    assert_eq!(ids(&world.claim_wanted(&versions, 3).await), [3, 4, 28].map(id), "the oldest of all");
    assert_eq!(ids(&world.claim_wanted(&versions, 1).await), [id(5)]);
    assert!(world.claim_wanted(&versions, 0).await.is_empty());
    assert_eq!(ids(&world.claim_wanted(&[wanted(3, 9)], 2).await), [21, 23].map(id));
}

/// Nodes that have room for one prediction each find one each.
pub async fn nodes_with_little_room_get_different_predictions(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    join_all((1..=60).map(|number| world.create(request(number)))).await;
    let (room, mut all) = ([wanted(1, 1)], Vec::new());
    while all.len() < 60 {
        let claims = join_all((0..10).map(|_| world.claim_wanted(&room, 20))).await;
        assert!(claims.iter().all(|claimed| claimed.len() <= 1));
        all.extend(claims.iter().flat_map(|claimed| ids(claimed)));
    }
    all.sort_unstable();
    assert_eq!(all, (1..=60).map(id).collect::<Vec<_>>());
}

/// Who waits is told how many are before it, up to a bound.
pub async fn a_place_in_the_queue_is_counted(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in [2, 4, 6] {
        world.create(Request { version: version(2), ..request(number) }).await;
    }
    let furthest = FURTHEST_POSITION as u32;
    join_all((10..12 + furthest).map(|number| world.create(request(number)))).await;
    let place = async |number| world.store.queue_position(id(number)).await.expect("the queue is read");
    assert_eq!([place(2).await, place(4).await, place(6).await], [0, 1, 2].map(Some));
    assert_eq!(place(10).await, Some(0), "others wait for another version");
    assert_eq!(place(9 + furthest).await, Some(FURTHEST_POSITION - 1));
    assert_eq!(place(11 + furthest).await, Some(FURTHEST_POSITION), "there is one more before it");
    assert_eq!(place(1).await, None, "there is none");
    assert_eq!(ids(&world.claim_wanted(&[wanted(2, 1)], 1).await), [id(2)]);
    assert_eq!([place(2).await, place(4).await, place(6).await], [None, Some(0), Some(1)]);
}

/// Two claims at once do not get the same prediction.
pub async fn a_prediction_is_claimed_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=20 {
        world.create(request(number)).await;
    }
    let (one, other) = tokio::join!(world.claim(15), world.claim(15));
    let mut all = [ids(&one), ids(&other)].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=20).map(id).collect::<Vec<_>>());
}

/// Whoever claims at the same moment gets something else, and nothing is left behind.
pub async fn nodes_that_claim_at_once_get_different_predictions(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let waiting = (1..=300).map(|number| {
        let version = version(if number % 3 == 0 { 2 } else { 1 });
        world.create(Request { version, ..request(number) })
    });
    join_all(waiting).await;
    let (nodes, versions) = ([node("one"), node("two")], [wanted(1, 9), wanted(2, 9)]);
    let claim = |task: usize, limit| world.store.claim(&nodes[task % 2], &versions, limit, at(600_000));
    let mut all = Vec::new();
    // Whoever sees nothing because others are just taking it comes again.
    while all.len() < 300 {
        for claimed in join_all((0..50).map(|task| claim(task, 1 + task as u32 % 4))).await {
            all.extend(claimed.expect("the claim is written"));
        }
    }
    assert!(claim(0, 1).await.expect("nothing to write").is_empty());
    let mut claimed = ids(&all);
    claimed.sort_unstable();
    assert_eq!(claimed, (1..=300).map(id).collect::<Vec<_>>());
    assert!(all.iter().all(|claimed| (claimed.run, claimed.lease.lease_no) == (1, 1)));
    let held = join_all(nodes.iter().map(|node| world.store.held_runs(node))).await;
    let held: usize = held.into_iter().map(|held| held.expect("the runs are read").len()).sum();
    assert_eq!(held, 300);
}

/// A claim and a cancel at once: the prediction is not run after its end, whoever comes first.
pub async fn what_is_canceled_while_it_is_claimed_is_over(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=30 {
        let waiting = world.create(request(number)).await;
        let cancel = commit_of(&waiting, Event::CancelRequested, Guard::Anyone, at(10));
        let (claimed, canceled) = tokio::join!(world.claim(1), world.commit(cancel));
        assert!(matches!(canceled, CommitOutcome::Committed(_)), "{canceled:?}");
        for claimed in claimed {
            let outcome = world.commit(Run::from(claimed).commit_of(succeeded(), at(20))).await;
            assert!(matches!(outcome, CommitOutcome::Fenced), "{outcome:?}");
        }
        assert!(world.claim(1).await.is_empty());
    }
}

async fn overdue_at(world: &World, millis: i64) -> Vec<Overdue> {
    world.store.overdue(at(millis), 10).await.expect("the deadlines are read")
}

/// The setup has its own deadline, and the caller's own limit holds when it is earlier.
pub async fn a_claim_sets_the_deadline_of_the_setup(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    world.create(request(1)).await;
    world.create(Request { cancel_at: Some(at(100)), ..request(2) }).await;
    world.create(Request { cancel_at: Some(at(300)), ..request(3) }).await;
    world.store.claim(&world.node, &[wanted(1, 10)], 10, at(200)).await.expect("the claim is written");
    assert_eq!(overdue_at(&world, 199).await, [Overdue { id: id(2), kind: DeadlineKind::CancelAfter }]);
    let mut setup = overdue_at(&world, 200).await.split_off(1);
    setup.sort_by_key(|overdue| overdue.id);
    assert_eq!(setup, [1, 3].map(|number| Overdue { id: id(number), kind: DeadlineKind::Setup }));
}

const QUEUE: Deadline = Deadline { at: at_constant(900), kind: DeadlineKind::Queue };

const fn at_constant(millis: i64) -> cogwire_core::time::Timestamp {
    cogwire_core::time::Timestamp::from_micros(1_700_000_000_000_000 + millis * 1000)
}

/// It waits with a new fence, and the run is not counted.
pub async fn a_released_prediction_waits_again(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    world.create(request(1)).await;
    let run = Run::from(world.claim(1).await.remove(0));
    world.store.release(id(1), &run.lease, QUEUE).await.expect("the release is written");
    assert!(overdue_at(&world, 899).await.is_empty());
    assert_eq!(overdue_at(&world, 900).await, [Overdue { id: id(1), kind: DeadlineKind::Queue }]);
    let outcome = world.commit(run.commit_of(succeeded(), at(10))).await;
    assert!(matches!(outcome, CommitOutcome::Fenced));
    let again = world.claim(1).await.remove(0);
    assert_eq!(again.run, 1);
    assert!(again.lease.lease_no > run.lease.lease_no);
}

/// Only its holder gives a prediction back, and only before it has begun.
pub async fn a_stale_or_begun_prediction_is_not_released(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request(1)).await;
    let stale = [Lease { node: node("two"), lease_no: 1 }, Lease { node: world.node.clone(), lease_no: 7 }];
    for lease in &stale {
        world.store.release(id(1), lease, QUEUE).await.expect("nothing happens");
    }
    assert!(world.claim(1).await.is_empty());
    world.advance(&mut run, said(vec![item("x")]), at(5)).await;
    world.store.release(id(1), &run.lease, QUEUE).await.expect("nothing happens");
    assert!(world.claim(1).await.is_empty());
    world.advance(&mut run, succeeded(), at(10)).await;
}

/// The earliest first, and what has ended has no deadline.
pub async fn deadlines_come_due(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for (number, due) in [(1, 30), (2, 10), (3, 20)] {
        let deadline = Some(Deadline { at: at(due), kind: DeadlineKind::Queue });
        world
            .store
            .create(NewPrediction { deadline, ..new(request(number)) })
            .await
            .expect("the create is written");
    }
    let due = |overdue: Vec<Overdue>| overdue.into_iter().map(|overdue| overdue.id).collect::<Vec<_>>();
    assert!(overdue_at(&world, 9).await.is_empty());
    assert_eq!(due(overdue_at(&world, 20).await), [id(2), id(3)]);
    assert_eq!(due(world.store.overdue(at(99), 1).await.expect("the deadlines are read")), [id(2)]);
    let mut run = Run::from(world.claim(1).await.remove(0));
    world.advance(&mut run, succeeded(), at(10)).await;
    assert_eq!(due(overdue_at(&world, 99).await), [id(2), id(3)]);
}

/// What waits and what runs.
pub async fn load_is_counted(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for number in 1..=3 {
        world.create(request(number)).await;
    }
    let mut run = world.create_run(request(4)).await;
    world.claim(1).await;
    let load = world.store.load_figures().await.expect("the figures are read");
    assert_eq!(load, Load { queued: 2, running: 2 });
    world.advance(&mut run, succeeded(), at(10)).await;
    let load = world.store.load_figures().await.expect("the figures are read");
    assert_eq!(load, Load { queued: 2, running: 1 });
}
