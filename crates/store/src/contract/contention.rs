//! What several nodes do at once with the same lanes, and what a node does again because it did not hear the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cogwire_core::id::{DeliveryId, PredictionId};
use cogwire_core::prediction::Request;
use cogwire_core::webhook::event::WebhookEvent::{self, Completed, Output};
use futures_util::future::join_all;

use super::Home;
use super::fixture::{
    World, at, claimed, final_of, finished, id, item, node, request, request_with_webhook, said, started,
    succeeded, webhook,
};
use crate::NodeEpoch;
use crate::delivery::{
    BeginIntermediate, ClaimedLane, DeliveryState, FinishedAttempt, LaneClaim, LaneOutcome, ResendOutcome,
    Verdict,
};

/// Predictions that have ended, with final messages that wait for a few receivers.
async fn owe(world: &World, numbers: impl Iterator<Item = u32>) {
    let owing = numbers.map(async |number| {
        let origin = format!("http://{}.example", number % 7);
        let request = Request { webhook: Some(webhook(&origin, &[Completed])), ..request(number) };
        let mut run = world.create_run(request).await;
        world.advance(&mut run, succeeded(), at(i64::from(number))).await;
    });
    join_all(owing).await;
}

async fn claim(world: &World, node: &NodeEpoch, limit: u32, now: i64) -> Vec<ClaimedLane> {
    let claim = LaneClaim::of_any(limit, limit, at(now));
    world.store.claim_lanes(node, claim).await.expect("the claim is written").lanes
}

/// Claims until nothing is due.
async fn claim_all(world: &World, node: &NodeEpoch, limit: u32, now: i64) -> Vec<ClaimedLane> {
    let mut all = Vec::new();
    loop {
        let lanes = claim(world, node, limit, now).await;
        if lanes.is_empty() {
            return all;
        }
        all.extend(lanes);
    }
}

async fn finish(world: &World, finished: Vec<FinishedAttempt>, now: i64) -> Vec<LaneOutcome> {
    world.store.finish_attempts(finished.into(), at(now)).await.expect("the attempts are written")
}

/// How many attempts are recorded, and how many the message says there are.
async fn attempts(world: &World, message: DeliveryId) -> (usize, u32) {
    let read = world.store.delivery(message).await.expect("the message is read");
    let (delivery, attempts) = read.expect("it is there");
    (attempts.len(), delivery.attempts)
}

fn predictions(lanes: &[ClaimedLane]) -> BTreeSet<PredictionId> {
    lanes.iter().map(|lane| lane.prediction).collect()
}

/// Whoever claims at the same moment gets something else.
pub async fn nodes_that_claim_at_once_get_different_lanes(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    owe(&world, 1..=500).await;
    let nodes = [node("one"), node("two")];
    let claims = (0..8).map(|task| claim_all(&world, &nodes[task % 2], 20, 1000));
    let mut lanes = join_all(claims).await.concat();
    // A task may have seen nothing while others were taking the last ones.
    lanes.extend(claim_all(&world, &nodes[0], 20, 1000).await);
    assert_eq!(lanes.len(), 500, "none is claimed twice");
    assert_eq!(predictions(&lanes), (1..=500).map(id).collect());
    assert!(lanes.iter().all(|lane| lane.lease_no == 1 && lane.final_body.is_some()));
    let held = join_all(nodes.iter().map(|node| world.store.held_lanes(node))).await;
    let held: usize = held.into_iter().map(|held| held.expect("the lanes are read").len()).sum();
    assert_eq!(held, 500);
}

/// Lanes that are freed by one node are claimed by another, each once.
pub async fn a_node_claims_while_another_finishes(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    owe(&world, 1..=60).await;
    let (one, two) = (node("one"), node("two"));
    let held = claim(&world, &one, 100, 100).await;
    let retry = |lane: &ClaimedLane| finished(&world, lane, final_of(lane), 1, Verdict::RetryAt(at(200)));
    let finishes = held.chunks(6).map(|lanes| finish(&world, lanes.iter().map(retry).collect(), 150));
    let (outcomes, claims) =
        tokio::join!(join_all(finishes), join_all((0..20).map(|_| claim(&world, &two, 10, 200))));
    assert!(
        outcomes
            .iter()
            .flatten()
            .all(|outcome| matches!(outcome, LaneOutcome::DueAt(due) if *due == at(200)))
    );
    let mut lanes = claims.concat();
    lanes.extend(claim_all(&world, &two, 10, 200).await);
    assert_eq!((lanes.len(), predictions(&lanes)), (60, predictions(&held)));
    assert!(lanes.iter().all(|lane| lane.lease_no == 3), "claimed, freed, claimed");
}

/// Begun at once, each of its own prediction: all of them are durable.
pub async fn messages_of_many_predictions_begin_at_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let begun = join_all((1..=60).map(async |number| {
        let mut run = world.create_run(request_with_webhook(number, &[Output, Completed])).await;
        let held = claimed(world.advance_here(&mut run, said(vec![item("x")]), at(100)).await);
        world.begin(&held, Output, run.prediction.revision, at(100)).await
    }));
    for (number, message) in (1..=60).zip(begun.await) {
        assert_eq!(message, Some(DeliveryId { prediction: id(number), seq: 1 }));
        let sent = world.store.deliveries(id(number)).await.expect("the messages are read");
        assert_eq!(sent.iter().map(|one| one.state).collect::<Vec<_>>(), [DeliveryState::Sending]);
    }
}

/// Several people press the button at the same moment.
pub async fn of_resends_at_once_one_is_queued(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    owe(&world, 1..=1).await;
    let held = world.claim_lane(at(10)).await;
    let message = final_of(&held);
    for (verdict, now) in [(Verdict::GivenUp, 20), (Verdict::Delivered, 40)] {
        let held = if now == 20 { held.clone() } else { world.claim_lane(at(30)).await };
        world.finish(finished(&world, &held, message, now / 20, verdict), at(i64::from(now))).await;
        let resends = (0..8).map(|_| world.store.resend(message, at(30)));
        let outcomes = join_all(resends).await.into_iter().map(|outcome| outcome.expect("it is written"));
        let (queued, others): (Vec<_>, Vec<_>) =
            outcomes.partition(|outcome| *outcome == ResendOutcome::Queued);
        assert_eq!((queued.len(), others), (1, vec![ResendOutcome::AlreadyPending; 7]));
    }
}

/// A node that was given up has sent all the same, and says so, twice: the record has it once, and nothing else changes.
pub async fn an_end_after_a_take_over_is_recorded_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    owe(&world, 1..=1).await;
    let late = world.claim_lane(at(10)).await;
    let message = final_of(&late);
    world.store.release_lanes(&world.node, &[(id(1), late.lease_no)]).await.expect("it is written");
    let held = claim(&world, &node("two"), 1, 20).await.remove(0);
    for _ in 0..2 {
        let outcome = world.finish(finished(&world, &late, message, 1, Verdict::Delivered), at(30)).await;
        assert!(matches!(outcome, LaneOutcome::Fenced), "{outcome:?}");
        assert_eq!(world.store.lane(id(1)).await.expect("it is read"), Some(held.lane.clone()));
        assert_eq!(attempts(&world, message).await, (1, 1));
    }
    let by_holder =
        FinishedAttempt { node: node("two"), ..finished(&world, &held, message, 1, Verdict::GivenUp) };
    assert!(matches!(world.finish(by_holder, at(40)).await, LaneOutcome::Idle));
    let (delivery, _) = world.store.delivery(message).await.expect("it is read").expect("it is there");
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Exhausted, 2));
}

/// Whoever did not hear the answer asks again, and hears what it would have heard.
pub async fn an_end_that_is_told_twice_counts_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let verdicts = [Verdict::Delivered, Verdict::GivenUp, Verdict::RetryAt(at(900))];
    owe(&world, 1..=3).await;
    let held: BTreeMap<PredictionId, ClaimedLane> =
        world.claim_lanes(at(10)).await.into_iter().map(|lane| (lane.prediction, lane)).collect();
    let ends: Vec<FinishedAttempt> = (1..=3)
        .zip(verdicts)
        .map(|(number, verdict)| {
            finished(&world, &held[&id(number)], final_of(&held[&id(number)]), 1, verdict)
        })
        .collect();
    let first = format!("{:?}", finish(&world, ends.clone(), 20).await);
    for now in [20, 25] {
        assert_eq!(format!("{:?}", finish(&world, ends.clone(), now).await), first);
    }
    for end in &ends {
        assert_eq!(attempts(&world, end.delivery).await, (1, 1));
    }
    let again = world.claim_lane(at(900)).await;
    assert_eq!((again.prediction, again.lane.last.map(|last| last.tries)), (id(3), Some(1)));
}

/// The same for messages of a prediction that goes on.
pub async fn a_message_that_is_begun_twice_is_one(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let mut run = world.create_run(request_with_webhook(1, &WebhookEvent::ALL)).await;
    let held = claimed(world.advance_here(&mut run, started(at(10)), at(10)).await);
    let begin = BeginIntermediate {
        prediction: id(1),
        lease_no: held.lease_no,
        node: world.node.clone(),
        seq: 1,
        event: WebhookEvent::Start,
        revision: 1,
        body_sha256: [9; 32],
        size: 2,
        now: at(20),
    };
    let twice = (0..2).map(|_| world.store.begin_intermediate(begin.clone()));
    for begun in join_all(twice).await {
        assert!(begun.expect("it is written"));
    }
    assert_eq!(world.store.deliveries(id(1)).await.expect("the messages are read").len(), 1);
    world.advance(&mut run, said(vec![item("x")]), at(30)).await;
    let message = DeliveryId { prediction: id(1), seq: 1 };
    for now in [40, 50] {
        let outcome = world.finish(finished(&world, &held, message, 1, Verdict::GivenUp), at(now)).await;
        let LaneOutcome::Continue(next) = outcome else { panic!("output is due, and it was {outcome:?}") };
        assert_eq!((next.lease_no, next.lane.next_seq), (held.lease_no, 2));
        assert_eq!(attempts(&world, message).await, (1, 1));
    }
}

/// Several nodes forget old messages at the same moment.
pub async fn nodes_that_sweep_at_once_delete_each_message_once(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    owe(&world, 1..=40).await;
    let lanes = world.claim_lanes(at(100)).await;
    let ends = lanes.iter().map(|lane| finished(&world, lane, final_of(lane), 1, Verdict::Delivered));
    finish(&world, ends.collect(), 110).await;
    let sweeps = join_all((0..6).map(|_| world.store.sweep_deliveries(at(5000), 15))).await;
    let swept: u64 = sweeps.into_iter().map(|swept| swept.expect("the sweep is written")).sum();
    let rest = world.store.sweep_deliveries(at(5000), 100).await.expect("the sweep is written");
    assert_eq!(swept + rest, 40);
    assert!(world.store.deliveries(id(1)).await.expect("the messages are read").is_empty());
}
