//! Delivery as a whole: what is sent, in which order, how often, and what is recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cogwire_core::id::DeliveryId;
use cogwire_core::time::Clock;
use cogwire_core::webhook::event::WebhookEvent::{Completed, Output, Start};
use cogwire_core::webhook::signature::Secret;
use cogwire_delivery::DeliveryConfig;
use cogwire_store::DeliveryStore;
use cogwire_store::NodeLease;
use cogwire_store::delivery::{DeliveryState, ResendOutcome};
use tokio_util::task::TaskTracker;

use crate::support::receiver::{Receiver, Reply, Request};
use crate::support::world::World;

fn text<'a>(request: &'a Request, name: &str) -> &'a str {
    request.header(name).unwrap_or_else(|| panic!("{name} is missing"))
}

fn status_in(request: &Request) -> String {
    let body = String::from_utf8(request.body.clone()).expect("UTF-8");
    let status = body.split("\"status\":\"").nth(1).expect("a status");
    status.split('"').next().expect("its end").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_arrives_signed_and_byte_for_byte() {
    let (mut world, receiver) = (World::start().await, Receiver::always(Reply::status(200)).await);
    let prediction = world.ended(&receiver.url("/hook")).await;
    let request = receiver.wait(1).await.remove(0);
    world.wait_for(&prediction, &[(Completed, DeliveryState::Delivered)]).await;

    let message = world.messages(&prediction).await.remove(0);
    let (whole, _) = world.store.delivery(message.id).await.expect("it is read").expect("it is there");
    assert_eq!(Some(&request.body[..]), whole.body.as_deref());
    assert_eq!(text(&request, "webhook-id"), format!("msg_{}_1", prediction.id()));
    assert_eq!(text(&request, "content-type"), "application/json");
    assert_eq!(text(&request, "user-agent"), concat!("cogwire/", env!("CARGO_PKG_VERSION")));
    assert_eq!(text(&request, "cogwire-event"), "completed");
    assert_eq!((text(&request, "cogwire-sequence"), text(&request, "cogwire-attempt")), ("1", "1"));
    assert_eq!(request.header("cogwire-resent"), None);
    assert_eq!(status_in(&request), "succeeded");
    world.verify(&world.secrets, &request);

    let attempts = world.attempts(&prediction).await;
    assert_eq!((attempts.len(), attempts[0].number, attempts[0].status), (1, 1, Some(200)));
    assert_eq!(attempts[0].class, "delivered");
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_in_order_and_progress_keeps_its_pace() {
    let (mut world, receiver) = (World::start().await, Receiver::always(Reply::status(200)).await);
    let mut prediction = world.create(&receiver.url("/"), &[Start, Output, Completed]).await;
    world.begin(&mut prediction).await;
    receiver.wait(1).await;
    world.say(&mut prediction, "a").await;
    receiver.wait(2).await;
    world.say(&mut prediction, "b").await;
    world.say(&mut prediction, "c").await;
    let requests = receiver.wait(3).await;
    world.end(&mut prediction).await;
    receiver.wait(4).await;
    let expected = [(Start, DeliveryState::Delivered), (Output, DeliveryState::Delivered)];
    let expected =
        [&expected[..], &[(Output, DeliveryState::Delivered), (Completed, DeliveryState::Delivered)]]
            .concat();
    world.wait_for(&prediction, &expected).await;

    let body = |index: usize| String::from_utf8(requests[index].body.clone()).expect("UTF-8");
    assert!(
        body(0).contains(r#""output":null"#) && body(0).contains(r#""status":"processing""#),
        "{}",
        body(0)
    );
    assert!(body(1).contains(r#""output":["a"]"#), "{}", body(1));
    assert!(body(2).contains(r#""output":["a","b","c"]"#), "{}", body(2));
    let requests = receiver.wait(4).await;
    for (number, request) in (1..).zip(&requests) {
        assert_eq!(text(request, "cogwire-sequence"), format!("{number}"));
        world.verify(&world.secrets, request);
    }
    let messages = world.messages(&prediction).await;
    let gap = messages[2].created_at.since(messages[1].created_at);
    assert!(gap >= Duration::from_millis(500), "{gap:?}");
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_a_prediction_begins_after_the_one_before_has_ended() {
    let open = Arc::new(AtomicBool::new(false));
    let receiver = {
        let open = Arc::clone(&open);
        Receiver::start(move |_, number| match number {
            1 => Reply::hang(),
            _ => {
                assert!(open.load(Ordering::SeqCst), "the first one is still open");
                Reply::status(200)
            }
        })
        .await
    };
    let mut world = World::start().await;
    let mut prediction = world.create(&receiver.url("/"), &[Start, Completed]).await;
    world.begin(&mut prediction).await;
    receiver.wait(1).await;
    world.end(&mut prediction).await;
    open.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(5));
    receiver.wait(2).await;
    world
        .wait_for(&prediction, &[(Start, DeliveryState::Failed), (Completed, DeliveryState::Delivered)])
        .await;
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn intermediate_messages_are_sent_once_and_the_end_until_it_is_taken() {
    let receiver = Receiver::start(|request, _| {
        match (request.header("cogwire-event"), request.header("cogwire-attempt")) {
            (Some("completed"), Some("3")) => Reply::status(200),
            _ => Reply::answer(503, "", "busy"),
        }
    })
    .await;
    let mut world = World::start().await;
    let mut prediction = world.create(&receiver.url("/"), &[Start, Completed]).await;
    world.begin(&mut prediction).await;
    world.end(&mut prediction).await;
    for count in [1, 2] {
        world
            .wait_for(&prediction, &[(Start, DeliveryState::Failed), (Completed, DeliveryState::Pending)])
            .await;
        world.wait_attempts(&prediction, count).await;
        world.clock.advance(Duration::from_secs(2));
    }
    world
        .wait_for(&prediction, &[(Start, DeliveryState::Failed), (Completed, DeliveryState::Delivered)])
        .await;

    let requests = receiver.wait(4).await;
    let ends: Vec<&Request> =
        requests.iter().filter(|request| text(request, "cogwire-event") == "completed").collect();
    let numbers: Vec<&str> = ends.iter().map(|request| text(request, "cogwire-attempt")).collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    assert!(ends.iter().all(|request| request.body == ends[0].body));
    assert!(ends.iter().all(|request| text(request, "webhook-id") == text(ends[0], "webhook-id")));
    assert_ne!(text(ends[0], "webhook-timestamp"), text(ends[2], "webhook-timestamp"));
    ends.iter().for_each(|request| world.verify(&world.secrets, request));

    let attempts = world.attempts(&prediction).await;
    assert_eq!(attempts[0].class, "status");
    assert!(attempts[0].detail.contains("it said: busy"), "{}", attempts[0].detail);
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_last_attempt_it_is_given_up_and_can_be_sent_again() {
    let healed = Arc::new(AtomicBool::new(false));
    let receiver = {
        let healed = Arc::clone(&healed);
        Receiver::start(move |_, _| Reply::status(if healed.load(Ordering::SeqCst) { 200 } else { 500 }))
            .await
    };
    let mut world = World::start().await;
    let prediction = world.ended(&receiver.url("/")).await;
    for count in 1..=7 {
        world.wait_attempts(&prediction, count).await;
        world.clock.advance(Duration::from_secs(31));
    }
    world.wait_for(&prediction, &[(Completed, DeliveryState::Exhausted)]).await;
    assert_eq!(receiver.count(), 7);

    healed.store(true, Ordering::SeqCst);
    let id = DeliveryId { prediction: prediction.id(), seq: 1 };
    let now = world.clock.now();
    assert_eq!(world.store.resend(id, now).await.expect("writable"), ResendOutcome::Queued);
    world.wake_at(now);
    let request = receiver.wait(8).await.remove(7);
    assert_eq!((text(&request, "cogwire-resent"), text(&request, "cogwire-attempt")), ("true", "8"));
    world.wait_for(&prediction, &[(Completed, DeliveryState::Delivered)]).await;
    assert!(world.attempts(&prediction).await.last().expect("one").manual);
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_in_the_store_is_found_without_a_signal() {
    let (mut world, receiver) = (World::at_rest().await, Receiver::always(Reply::status(200)).await);
    world.run(DeliveryConfig::default(), Arc::new(NodeLease::endless())).await;
    world.stop_softly().await;
    let mut predictions = Vec::new();
    for _ in 0..300 {
        predictions.push(world.ended(&receiver.url("/")).await);
    }
    world.run(DeliveryConfig::default(), Arc::new(NodeLease::endless())).await;
    receiver.wait(300).await;
    for prediction in &predictions {
        world.wait_for(prediction, &[(Completed, DeliveryState::Delivered)]).await;
    }
    assert_eq!(receiver.count(), 300);
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let (hung, healthy) = (Receiver::always(Reply::hang()).await, Receiver::always(Reply::status(200)).await);
    let mut world = World::start().await;
    for _ in 0..100 {
        world.ended(&hung.url("/")).await;
    }
    hung.wait(16).await;
    for _ in 0..50 {
        let prediction = world.ended(&healthy.url("/")).await;
        world.wait_for(&prediction, &[(Completed, DeliveryState::Delivered)]).await;
    }
    assert_eq!(hung.count(), 16, "an origin that nothing is known about gets few requests at once");
    world.stop_hard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_is_used_within_a_second() {
    let (mut world, receiver) = (World::start().await, Receiver::always(Reply::status(200)).await);
    world.ended(&receiver.url("/")).await;
    let first = receiver.wait(1).await.remove(0);
    world.verify(&world.secrets, &first);
    let fresh = Secret::from_key(&[9; 32]).expect("long enough");
    world.set_secret(&fresh).await;
    world.clock.advance(Duration::from_secs(2));
    world.ended(&receiver.url("/")).await;
    world.verify(&[fresh], &receiver.wait(2).await[1]);
    world.stop_softly().await;
}

/// The overlap ends in the middle of the time for which secrets are remembered.
#[tokio::test(flavor = "multi_thread")]
async fn every_secret_signs_until_its_overlap_ends() {
    let (mut world, receiver) = (World::start().await, Receiver::always(Reply::status(200)).await);
    let shared = Secret::from_key(&[9; 32]).expect("long enough");
    world.rotate_secret(&shared, Duration::from_millis(2500)).await;
    world.rotate_secret(&Secret::from_seed(&[3; 32]), Duration::ZERO).await;
    world.clock.advance(Duration::from_secs(2));
    world.ended(&receiver.url("/")).await;
    let during = receiver.wait(1).await.remove(0);
    for secret in [&shared, &world.secrets[0], &Secret::from_seed(&[3; 32])] {
        world.verify(std::slice::from_ref(secret), &during);
    }
    assert_eq!(World::entries(&during), 3);
    world.clock.advance(Duration::from_millis(500));
    world.ended(&receiver.url("/")).await;
    let after = receiver.wait(2).await.remove(1);
    assert_eq!(World::entries(&after), 2);
    world.verify(&[shared], &after);
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_without_the_lease_and_no_attempt_is_spent() {
    let (mut world, receiver) = (World::at_rest().await, Receiver::always(Reply::status(200)).await);
    let lease = Arc::new(NodeLease::ended());
    world.run(DeliveryConfig::default(), lease.clone()).await;
    let prediction = world.ended(&receiver.url("/")).await;
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(receiver.count(), 0);
    lease.extend(Duration::MAX);
    world.clock.advance(Duration::from_secs(1));
    receiver.wait(1).await;
    world.wait_for(&prediction, &[(Completed, DeliveryState::Delivered)]).await;
    assert_eq!(world.attempts(&prediction).await.len(), 1);
    world.stop_softly().await;
}

/// A node that was given up while it was paused has lanes in memory that are somebody else's by now.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_claimed_in_an_earlier_term_is_not_sent() {
    let (mut world, receiver) = (World::at_rest().await, Receiver::always(Reply::status(200)).await);
    let lease = Arc::new(NodeLease::ended());
    world.run(DeliveryConfig::default(), lease.clone()).await;
    let old = world.ended(&receiver.url("/old")).await;
    lease.begin_term();
    lease.extend(Duration::MAX);
    let new = world.ended(&receiver.url("/new")).await;
    world.clock.advance(Duration::from_secs(1));
    world.wait_for(&new, &[(Completed, DeliveryState::Delivered)]).await;
    assert_eq!(receiver.wait(1).await[0].line, "POST /new HTTP/1.1");
    assert_eq!(receiver.count(), 1);
    // Nobody has taken it over, so the node finds after a while that it is still its own to give back.
    for _ in 0..3 {
        world.clock.advance(DeliveryConfig::default().audit_interval);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.wait_for(&old, &[(Completed, DeliveryState::Delivered)]).await;
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_cannot_be_recorded_is_recorded_later_and_not_made_again() {
    let (mut world, receiver) = (World::start().await, Receiver::always(Reply::status(200)).await);
    world.flaky.fail(true);
    let prediction = world.ended(&receiver.url("/")).await;
    receiver.wait(1).await;
    failures(&world, 1).await;
    world.clock.advance(Duration::from_secs(1));
    failures(&world, 2).await;
    world.flaky.fail(false);
    world.clock.advance(Duration::from_secs(1));
    world.wait_for(&prediction, &[(Completed, DeliveryState::Delivered)]).await;
    assert_eq!(receiver.count(), 1);
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_made_durable_is_not_sent_before_it_is() {
    let (mut world, receiver) = (World::start().await, Receiver::always(Reply::status(200)).await);
    world.flaky.fail(true);
    let mut prediction = world.create(&receiver.url("/"), &[Start, Completed]).await;
    world.begin(&mut prediction).await;
    failures(&world, 1).await;
    assert_eq!(receiver.count(), 0);
    world.flaky.fail(false);
    world.clock.advance(Duration::from_secs(1));
    receiver.wait(1).await;
    world.wait_for(&prediction, &[(Start, DeliveryState::Delivered)]).await;
    world.stop_softly().await;
}

async fn failures(world: &World, count: usize) {
    while world.flaky.failures() < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_stop_lets_requests_end_and_gives_the_rest_back() {
    let receiver = Receiver::always(Reply::hang()).await;
    let mut world = World::start().await;
    let mut predictions = Vec::new();
    for _ in 0..20 {
        predictions.push(world.ended(&receiver.url("/")).await);
    }
    receiver.wait(16).await;
    world.ask_to_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(world.runs(), "16 requests are still on their way");
    world.clock.advance(Duration::from_secs(10));
    world.stop_softly().await;
    let mut recorded = 0;
    for prediction in &predictions {
        world.wait_for(prediction, &[(Completed, DeliveryState::Pending)]).await;
        recorded += world.attempts(prediction).await.len();
    }
    assert_eq!((recorded, receiver.count()), (16, 16));
    assert_free(&world, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hard_stop_drops_requests_and_the_next_start_sends_the_same_again() {
    let healed = Arc::new(AtomicBool::new(false));
    let receiver = {
        let healed = Arc::clone(&healed);
        Receiver::start(
            move |_, _| if healed.load(Ordering::SeqCst) { Reply::status(200) } else { Reply::hang() },
        )
        .await
    };
    let mut world = World::start().await;
    let prediction = world.ended(&receiver.url("/")).await;
    receiver.wait(1).await;
    world.stop_hard().await;
    assert_free(&world, 1).await;

    healed.store(true, Ordering::SeqCst);
    world.run(DeliveryConfig::default(), Arc::new(NodeLease::endless())).await;
    let requests = receiver.wait(2).await;
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(text(&requests[0], "webhook-id"), text(&requests[1], "webhook-id"));
    world.wait_for(&prediction, &[(Completed, DeliveryState::Delivered)]).await;
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_may_not_be_reached_is_recorded_and_nothing_is_sent() {
    let mut world = World::start().await;
    let prediction = world.ended("http://169.254.169.254/latest").await;
    let attempts = world.wait_attempts(&prediction, 1).await;
    assert_eq!(attempts[0].class, "blocked");
    assert!(attempts[0].detail.contains("metadata"), "{}", attempts[0].detail);
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_predictions_at_once_are_all_delivered_once() {
    let (world, receiver) = (World::start().await, Receiver::always(Reply::status(200)).await);
    let (world, tasks) = (Arc::new(world), TaskTracker::new());
    for _ in 0..16 {
        let (world, url) = (Arc::clone(&world), receiver.url("/"));
        tasks.spawn(async move {
            for _ in 0..50 {
                world.ended(&url).await;
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    let requests = receiver.wait(800).await;
    let mut ids: Vec<&str> = requests.iter().map(|request| text(request, "webhook-id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((requests.len(), ids.len()), (800, 800));
    let mut world = Arc::into_inner(world).expect("nobody else has it");
    world.stop_softly().await;
    assert_eq!(world.store.backlog(world.clock.now()).await.expect("readable").pending, 0);
}

/// All lanes are free: another node could claim them.
async fn assert_free(world: &World, count: u32) {
    let now = world.clock.now() + Duration::from_secs(600);
    let claim = cogwire_store::delivery::LaneClaim::of_any(1000, 1000, now);
    let node = cogwire_store::NodeEpoch("another".into());
    let claims = world.store.claim_lanes(&node, claim).await.expect("writable");
    assert_eq!(claims.lanes.len(), count as usize);
    let held: Vec<_> = claims.lanes.iter().map(|lane| (lane.prediction, lane.lease_no)).collect();
    world.store.release_lanes(&node, &held).await.expect("writable");
}
