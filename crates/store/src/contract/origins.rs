//! Which lanes a claim gets: origins in turn, and not too many of each.

use std::sync::Arc;
use std::time::Duration;

use cogwire_core::id::PredictionId;
use cogwire_core::prediction::Request;
use cogwire_core::webhook::event::WebhookEvent::Completed;
use futures_util::future::join_all;

use super::Home;
use super::fixture::{World, at, final_of, finished, id, node, request, succeeded, webhook};
use crate::NodeEpoch;
use crate::delivery::{ClaimedLane, LaneClaim, LaneClaims, LaneOutcome, ORIGINS_PER_CLAIM, Verdict};

/// A prediction that ended at `at(number)` and whose final message waits for an origin.
async fn owe(world: &World, number: u32, origin: &str) {
    let request = Request { webhook: Some(webhook(origin, &[Completed])), ..request(number) };
    let mut run = world.create_run(request).await;
    world.advance(&mut run, succeeded(), at(i64::from(number))).await;
}

async fn claim(world: &World, limit: u32, per_origin: u32, now: i64) -> LaneClaims {
    claim_as(world, LaneClaim::of_any(limit, per_origin, at(now))).await
}

async fn claim_as(world: &World, claim: LaneClaim) -> LaneClaims {
    world.store.claim_lanes(&world.node, claim).await.expect("the claim is written")
}

fn claimed_numbers(claims: &LaneClaims) -> Vec<u32> {
    let number = |lane: &ClaimedLane| (0..1000).find(|number| id(*number) == lane.prediction);
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

/// A damaged database costs what is damaged.
pub async fn a_message_whose_bytes_are_lost_holds_up_no_other(home: Arc<dyn Home>) {
    let world = World::new(Arc::clone(&home)).await;
    for number in [1, 2] {
        owe(&world, number, "http://a.example").await;
    }
    home.tamper(&format!("UPDATE delivery SET body = NULL WHERE prediction_id = '{}'", id(1))).await;
    let claims = claim(&world, 5, 10, 100).await;
    assert_eq!(claimed_numbers(&claims), [1, 2]);
    assert_eq!(claims.lanes.iter().map(|lane| lane.final_body.is_some()).collect::<Vec<_>>(), [false, true]);
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

/// An origin that is skipped neither gives lanes nor says when they are due.
pub async fn origins_can_be_left_out(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for (number, origin) in [(1, "a"), (2, "b"), (3, "a"), (4, "c"), (5, "b")] {
        owe(&world, number, &format!("http://{origin}.example")).await;
    }
    let skip: Arc<[String]> =
        ["http://a.example", "http://b.example", "http://z.example"].map(String::from).into();
    let without = LaneClaim { skip, ..LaneClaim::of_any(10, 10, at(100)) };
    let first = claim_as(&world, without.clone()).await;
    assert_eq!((claimed_numbers(&first), first.next_due), (vec![4], None));
    let none = claim_as(&world, LaneClaim { now: at(0), ..without }).await;
    assert_eq!((claimed_numbers(&none), none.next_due), (vec![], None));
    assert_eq!(claimed_numbers(&claim(&world, 10, 10, 100).await), [1, 2, 3, 5]);
}

/// Of one origin alone, also of one that is skipped otherwise: the longest due first.
pub async fn one_origin_can_be_asked_for(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    for (number, origin) in [(1, "a"), (2, "b"), (3, "b"), (14, "b"), (5, "c")] {
        owe(&world, number, &format!("http://{origin}.example")).await;
    }
    let name = "http://b.example".to_owned();
    let probe = |limit, now| LaneClaim {
        skip: [name.clone()].into(),
        only: Some(name.clone()),
        ..LaneClaim::of_any(limit, 10, at(now))
    };
    let first = claim_as(&world, probe(1, 10)).await;
    assert_eq!((claimed_numbers(&first), first.next_due), (vec![2], Some(at(3))));
    let second = claim_as(&world, probe(10, 10)).await;
    assert_eq!((claimed_numbers(&second), second.next_due), (vec![3], Some(at(14))));
    let nobody = LaneClaim { only: Some("http://bb.example".to_owned()), ..probe(10, 100) };
    assert!(claim_as(&world, nobody).await.lanes.is_empty());
}

/// One claim looks at so many origins, and the next ones go on until all have had their turn. Only then it is known when the next
/// lane is due.
pub async fn claims_go_on_where_the_last_one_stopped(home: Arc<dyn Home>) {
    let world = World::new(home).await;
    let count = ORIGINS_PER_CLAIM as u32 + 5;
    join_all(
        (1..=count).map(async |number| owe(&world, number, &format!("http://{number:03}.example")).await),
    )
    .await;
    let skip: Arc<[String]> = ["http://010.example".to_owned()].into();
    let any = LaneClaim { skip, ..LaneClaim::of_any(2, 10, at(i64::from(count))) };
    let first = claim_as(&world, any.clone()).await;
    assert_eq!((claimed_numbers(&first), first.next_due), (vec![1, 2], Some(at(3))));
    let after = first.rest.clone();
    assert!(after.is_some());
    let second = claim_as(&world, LaneClaim { after, ..any.clone() }).await;
    assert_eq!((claimed_numbers(&second), second.rest), (vec![count - 4, count - 3], None));
    assert_eq!(second.next_due, Some(at(3)), "what was seen before counts");
    let third = claim_as(&world, LaneClaim { limit: 100, ..any }).await;
    assert_eq!(claimed_numbers(&third), (3..=103).filter(|number| *number != 10).collect::<Vec<_>>());
}
