//! What a webhook may ask for beyond Replicate's messages, as it arrives.

use std::collections::HashSet;
use std::io::Read;

use cogwire_core::webhook::event::WebhookEvent::{Completed, Start};
use cogwire_core::webhook::options::{BodyRule, WebhookOptions};
use cogwire_store::delivery::DeliveryState;
use flate2::read::GzDecoder;

use crate::support::receiver::{Receiver, Reply, Request};
use crate::support::world::World;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn inflated(request: &Request) -> Vec<u8> {
    let mut body = Vec::new();
    GzDecoder::new(&*request.body).read_to_end(&mut body).expect("gzip");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_is_signed_as_it_was_before() {
    let (mut world, receiver) = (World::start().await, Receiver::always(Reply::status(200)).await);
    world.options = WebhookOptions { gzip: true, ..WebhookOptions::default() };
    let prediction = world.ended(&receiver.url("/")).await;
    let mut request = receiver.wait(1).await.remove(0);
    world.wait_for(&prediction, &[(Completed, DeliveryState::Delivered)]).await;

    assert_eq!(request.header("content-encoding"), Some("gzip"));
    request.body = inflated(&request);
    world.verify(&world.secrets, &request);
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_carry_the_callers_text_and_trace() {
    let (mut world, receiver) = (World::start().await, Receiver::always(Reply::status(200)).await);
    world.options = WebhookOptions {
        metadata: Some("order=7".to_owned()),
        traceparent: format!("00-{TRACE}-00f067aa0ba902b7-01").parse().ok(),
        body: BodyRule { thin_above: Some(0), log_tail: None },
        ..WebhookOptions::default()
    };
    let mut prediction = world.create(&receiver.url("/"), &[Start, Completed]).await;
    world.begin(&mut prediction).await;
    receiver.wait(1).await;
    world.end(&mut prediction).await;
    let requests = receiver.wait(2).await;
    world
        .wait_for(&prediction, &[(Start, DeliveryState::Delivered), (Completed, DeliveryState::Delivered)])
        .await;

    let mut spans = HashSet::from(["00f067aa0ba902b7"]);
    for request in &requests {
        assert_eq!(request.header("cogwire-metadata"), Some("order=7"));
        assert_eq!(request.header("cogwire-body"), Some("thin"));
        let parts: Vec<_> = request.header("traceparent").expect("it has one").split('-').collect();
        assert_eq!((parts[0], parts[1], parts[2].len(), parts[3]), ("00", TRACE, 16, "01"));
        assert!(spans.insert(parts[2]), "each attempt is a span of its own");
    }
    world.stop_softly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_recorded_with_what_was_sent_and_what_came_back() {
    let mut world = World::start().await;
    let receiver = Receiver::always(Reply::answer(200, "x-served-by: web-7\r\n", "thanks")).await;
    let prediction = world.ended(&receiver.url("/hook")).await;
    let request = receiver.wait(1).await.remove(0);
    world.wait_for(&prediction, &[(Completed, DeliveryState::Delivered)]).await;

    let report = world.attempts(&prediction).await.remove(0).report.expect("something was sent");
    assert_eq!(report.peer, Some(receiver.address.to_string()));
    assert!(report.connect_us.is_some() && report.first_byte_us.is_some());
    assert_eq!((report.dns_us, report.tls_us), (None, None));
    let sent: Vec<_> = report.request_headers.iter().collect();
    assert_eq!(sent.len(), request.headers.len());
    for (name, value) in sent {
        assert_eq!(request.header(name), Some(value), "of {name}");
    }
    let response = report.response.expect("it answered");
    let came: Vec<_> = response.headers.iter().collect();
    assert_eq!(came, [("x-served-by", "web-7"), ("content-length", "6")]);
    assert_eq!((response.body.as_str(), response.truncated), ("thanks", false));
    world.stop_softly().await;
}
