//! Origins that are down, that ask for less, or that hang by the hundred.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cogwire_core::prediction::Prediction;
use cogwire_core::time::Clock;
use cogwire_core::webhook::event::WebhookEvent::{Completed, Start};
use cogwire_core::webhook::schedule::Schedule;
use cogwire_delivery::DeliveryConfig;
use cogwire_store::delivery::DeliveryState;
use cogwire_store::{DeliveryStore, NodeLease};

use crate::support::receiver::{Receiver, Reply, Request};
use crate::support::world::World;

/// Attempts end after this much real time.
const SOON: Duration = Duration::from_millis(500);
/// As many requests as an origin gets of which nothing is known.
const FIRST: usize = 16;

fn hasty() -> DeliveryConfig {
    DeliveryConfig { completed_timeout: SOON, intermediate_timeout: SOON, ..DeliveryConfig::default() }
}

async fn world(config: DeliveryConfig) -> World {
    let mut world = World::at_rest().await;
    world.run(config, Arc::new(NodeLease::endless())).await;
    world
}

/// A receiver that hangs until it is healed.
async fn hanging() -> (Receiver, Arc<AtomicBool>) {
    let healed = Arc::new(AtomicBool::new(false));
    let heals = Arc::clone(&healed);
    let reply =
        move |_: &Request, _| if heals.load(Ordering::SeqCst) { Reply::status(200) } else { Reply::hang() };
    (Receiver::start(reply).await, healed)
}

/// Twenty messages to a receiver that hangs, of which as many have failed as it takes for it to be down.
async fn twenty_for(world: &World, receiver: &Receiver) -> Vec<Prediction> {
    let mut predictions = Vec::new();
    for _ in 0..20 {
        predictions.push(world.ended(&receiver.url("/")).await);
    }
    for prediction in &predictions[..FIRST] {
        world.wait_attempts(prediction, 1).await;
    }
    assert_eq!(receiver.count(), FIRST);
    predictions
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_down_is_probed_until_it_answers_and_nothing_is_spent() {
    let (receiver, healed) = hanging().await;
    let mut world = world(hasty()).await;
    let predictions = twenty_for(&world, &receiver).await;
    for (wait, probed) in [(5, 16), (10, 17), (20, 18)] {
        world.clock.advance(Duration::from_secs(wait));
        let attempts = world.wait_attempts(&predictions[probed], 1).await;
        assert_eq!(attempts[0].class, "timeout");
        assert_eq!(receiver.count(), probed + 1, "one message at a time, the one that has waited longest");
        let lane = world.store.lane(predictions[probed].id()).await.expect("readable").expect("it is owed");
        assert_eq!(lane.last.expect("the end").tries, 0);
    }
    healed.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(40));
    for prediction in &predictions {
        world.wait_for(prediction, &[(Completed, DeliveryState::Delivered)]).await;
    }
    assert_eq!(receiver.count(), FIRST + 3 + 20);
    let after = world.ended(&receiver.url("/")).await;
    world.wait_for(&after, &[(Completed, DeliveryState::Delivered)]).await;
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_answers_with_failures_is_not_down() {
    let receiver = Receiver::always(Reply::status(500)).await;
    let mut world = world(hasty()).await;
    let mut predictions = Vec::new();
    for _ in 0..30 {
        predictions.push(world.ended(&receiver.url("/")).await);
    }
    for prediction in &predictions {
        let attempts = world.wait_attempts(prediction, 1).await;
        assert_eq!(attempts[0].class, "status");
    }
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_alone_keeps_to_its_schedule() {
    let (receiver, _) = hanging().await;
    let mut world = world(hasty()).await;
    let prediction = world.ended(&receiver.url("/")).await;
    for count in 1..=7 {
        world.wait_attempts(&prediction, count).await;
        world.clock.advance(Duration::from_secs(31));
    }
    world.wait_for(&prediction, &[(Completed, DeliveryState::Exhausted)]).await;
    assert_eq!(receiver.count(), 7);
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_waited_too_long_for_one_that_is_down_is_given_up_and_says_why() {
    let (receiver, _) = hanging().await;
    let hour = Duration::from_secs(60 * 60);
    let mut world = world(DeliveryConfig { max_age: hour, ..hasty() }).await;
    let mut predictions = twenty_for(&world, &receiver).await;
    let mut with_start = world.create(&receiver.url("/"), &[Start, Completed]).await;
    world.begin(&mut with_start).await;
    world.end(&mut with_start).await;
    world.clock.advance(2 * hour);
    for prediction in &predictions {
        world.wait_for(prediction, &[(Completed, DeliveryState::Exhausted)]).await;
        let last = world.attempts(prediction).await.pop().expect("an entry");
        assert_eq!((last.class.as_str(), last.status, last.duration), ("origin-down", None, Duration::ZERO));
        let says = format!("nothing has answered at http://{} since 2026-01-01T", receiver.address);
        assert!(last.detail.contains(&says), "{}", last.detail);
    }
    let expected = [(Start, DeliveryState::Failed), (Completed, DeliveryState::Exhausted)];
    world.wait_for(&with_start, &expected).await;
    assert_eq!(receiver.count(), FIRST, "nothing of it was sent");

    predictions.push(world.ended(&receiver.url("/")).await);
    world.clock.advance(Duration::from_secs(60));
    let attempts = world.wait_attempts(&predictions[20], 1).await;
    assert_eq!(attempts[0].class, "timeout", "what is new is a probe");
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_asks_to_be_left_alone_is_under_a_schedule_that_listens() {
    let receiver = Receiver::start(|_, number| match number {
        1 => Reply::answer(429, "retry-after: 7\r\n", ""),
        _ => Reply::status(200),
    })
    .await;
    let mut world =
        world(DeliveryConfig { schedule: Schedule::standard(), ..DeliveryConfig::default() }).await;
    let slowed = world.ended(&receiver.url("/")).await;
    world.wait_attempts(&slowed, 1).await;
    let other = world.ended(&receiver.url("/")).await;
    world.wait_for(&other, &[(Completed, DeliveryState::Pending)]).await;
    world.clock.advance(Duration::from_secs(7));
    for prediction in [&slowed, &other] {
        world.wait_for(prediction, &[(Completed, DeliveryState::Delivered)]).await;
    }
    let sent_at = |request: &Request| -> i64 {
        request.header("webhook-timestamp").expect("it has one").parse().expect("seconds")
    };
    let requests = receiver.wait(3).await;
    assert!(requests[1..].iter().all(|request| sent_at(request) - sent_at(&requests[0]) >= 7));
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_may_have_a_schedule_of_its_own() {
    let receiver = Receiver::always(Reply::status(410)).await;
    let mut world = world(DeliveryConfig::default()).await;
    let usual = world.ended(&receiver.url("/")).await;
    world.wait_attempts(&usual, 1).await;
    world.options.schedule = Some("2h".parse().expect("a schedule"));
    let gone = world.ended(&receiver.url("/")).await;
    world.wait_for(&gone, &[(Completed, DeliveryState::Exhausted)]).await;
    let attempts = world.attempts(&gone).await;
    assert_eq!(attempts.len(), 1);
    assert!(attempts[0].detail.contains("gone for good"), "{}", attempts[0].detail);
    world.wait_for(&usual, &[(Completed, DeliveryState::Pending)]).await;
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_of_its_own_says_when() {
    let receiver = Receiver::always(Reply::status(500)).await;
    let mut world = world(DeliveryConfig::default()).await;
    world.options.schedule = Some("2h".parse().expect("a schedule"));
    let prediction = world.ended(&receiver.url("/")).await;
    let first = world.wait_attempts(&prediction, 1).await.remove(0);
    let lane = world.store.lane(prediction.id()).await.expect("readable").expect("it is owed");
    let waits = lane.last.expect("the end").due_at.since(first.started_at);
    assert!((Duration::from_secs(5760)..=Duration::from_secs(7210)).contains(&waits), "{waits:?}");
    world.clock.advance(Duration::from_secs(7210));
    world.wait_for(&prediction, &[(Completed, DeliveryState::Exhausted)]).await;
    assert_eq!(receiver.count(), 2);
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_hang_one_that_answers_goes_on() {
    let healthy = Receiver::always(Reply::status(200)).await;
    let mut world = world(DeliveryConfig { max_in_flight: 16, ..DeliveryConfig::default() }).await;
    let known = world.ended(&healthy.url("/")).await;
    world.wait_for(&known, &[(Completed, DeliveryState::Delivered)]).await;
    let mut hanging = Vec::new();
    for _ in 0..60 {
        let receiver = Receiver::always(Reply::hang()).await;
        world.ended(&receiver.url("/")).await;
        world.ended(&receiver.url("/")).await;
        hanging.push(receiver);
    }
    let begun = world.clock.now();
    for _ in 0..100 {
        let prediction = world.ended(&healthy.url("/")).await;
        world.wait_for(&prediction, &[(Completed, DeliveryState::Delivered)]).await;
    }
    let took = world.clock.now().since(begun);
    let open: usize = hanging.iter().map(Receiver::count).sum();
    let patience = DeliveryConfig::default().completed_timeout;
    assert!(open == 8 || took > patience, "half of all requests, not {open}");
    world.stop_hard().await;
}
