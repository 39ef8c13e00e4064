//! What a create asks of its webhooks by headers, and what receivers then get.

use std::time::Duration;

use cogwire_core::time::{Clock, Timestamp};
use cogwire_core::webhook::options::{BodyRule, WebhookOptions};
use serde_json::{Value, json};

use crate::harness::{Behaviour, HELLO, Options, Reply, STORY, TestApp, Webhook, hello};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

impl TestApp {
    async fn create_with(&self, body: Value, headers: &[(&str, &str)]) -> Value {
        self.http().post_with("/v1/predictions", &body, headers).await.expect(201)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_comes_back_with_every_attempt() {
    let app = TestApp::start().await;
    app.receiver.then([Behaviour::Answer(500)]);
    let metadata = r#"{"order": 7, "by": "a@example.com"}"#;
    let created = app.create_with(app.with_webhook(hello("Alice")), &[("cogwire-metadata", metadata)]).await;
    app.wait_for_attempts(&created, 1).await;
    app.advance(Duration::from_secs(10));
    let all = app.receiver.wait_for(2).await;
    assert!(all.iter().all(|hook| hook.header("cogwire-metadata") == metadata));
    app.create(app.with_webhook(hello("Bob"))).await;
    let others = app.receiver.wait_for(3).await;
    assert!(!others[2].headers.contains_key("cogwire-metadata"), "it is one prediction's");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_goes_on_with_a_span_for_each_attempt() {
    let app = TestApp::start().await;
    app.receiver.then([Behaviour::Answer(500)]);
    let created = app.create_with(app.with_webhook(hello("Alice")), &[("traceparent", TRACE)]).await;
    app.wait_for_attempts(&created, 1).await;
    app.advance(Duration::from_secs(10));
    let all = app.receiver.wait_for(2).await;
    let [first, second] =
        [&all[0], &all[1]].map(|hook| hook.header("traceparent").split('-').collect::<Vec<_>>());
    let [version, trace, caller, flags] =
        TRACE.split('-').collect::<Vec<_>>().try_into().expect("four parts");
    for parts in [&first, &second] {
        assert_eq!((parts[0], parts[1], parts[3]), (version, trace, flags));
        assert_eq!(parts[2].len(), 16, "{parts:?}");
        assert_ne!(parts[2], caller);
    }
    assert_ne!(first[2], second[2]);
    app.create_with(app.with_webhook(hello("Bob")), &[("traceparent", "00-of-no-use")]).await;
    let others = app.receiver.wait_for(3).await;
    assert!(!others[2].headers.contains_key("traceparent"), "what is malformed is passed over");
}

#[tokio::test(flavor = "multi_thread")]
async fn thin_bodies_are_signed_and_say_that_they_are_thin() {
    let app = TestApp::start().await;
    let created =
        app.create_with(app.with_webhook(hello("Carol")), &[("cogwire-webhook-body", "thin")]).await;
    let hook = app.receiver.wait_completed().await;
    hook.assert_signed(&app.secret().await);
    let body = hook.json();
    assert_eq!((hook.header("cogwire-body"), &body["thin"]), ("thin", &json!(true)));
    assert_eq!((&body["id"], &body["status"]), (&created["id"], &json!("succeeded")));
    assert!(body.get("output").is_none() && body.get("input").is_none(), "{body}");
    let whole = app.http().get(body["urls"]["get"].as_str().expect("a URL")).await.expect(200);
    assert_eq!(whole["output"], "hello Carol");
    assert!(whole.get("thin").is_none(), "the API shows everything");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_bodies_that_would_be_too_long_are_thin() {
    let app = TestApp::start().await;
    let rule = [("cogwire-webhook-body", "thin-above=4KiB"), ("cogwire-webhook-payload", "event")];
    app.create_with(app.with_webhook(hello("short")), &rule).await;
    let short = app.receiver.wait_completed().await;
    assert!(!short.headers.contains_key("cogwire-body"));
    assert_eq!(short.json()["data"]["output"], "hello short");

    app.create_with(app.with_webhook(hello(&"long".repeat(2000))), &rule).await;
    let long = app.receiver.wait_for(2).await.swap_remove(1);
    assert_eq!((long.header("cogwire-body"), &long.json()["data"]["thin"]), ("thin", &json!(true)));
    assert_eq!(long.json()["type"], "prediction.completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thin_body_stays_thin_when_it_is_sent_again() {
    let mut app = TestApp::start().await;
    let created = app.create_with(app.with_webhook(hello("Dan")), &[("cogwire-webhook-body", "thin")]).await;
    let delivered = app.wait_delivery_state(&created, "delivered").await;
    app.restart().await;
    let id = delivered["id"].as_str().expect("an id");
    app.http().post(&format!("/v1/deliveries/{id}/resend"), &json!({})).await.expect(202);
    let all = app.receiver.wait_for(2).await;
    assert_eq!((&all[1].body, all[1].header("cogwire-body")), (&all[0].body, "thin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_show_the_end_of_the_logs_and_the_api_all_of_them() {
    let app = TestApp::start().await;
    let events = app.story(["logs", "completed"]);
    let created = app.create_with(events, &[("cogwire-webhook-log-tail", "30")]).await;
    let last = app.receiver.wait_completed().await;
    last.assert_signed(&app.secret().await);
    let line = "said a piece\n";
    let missing = (STORY.len() - 2) * line.len();
    let tail = format!("[… {missing} bytes of earlier logs are not shown]\n{line}{line}");
    assert_eq!(last.json()["logs"], tail);
    let progress = app.receiver.webhooks().into_iter().filter(|hook| hook.event() == "logs");
    let longest = progress.map(|hook| hook.json()["logs"].as_str().map_or(0, str::len)).max();
    assert!(longest <= Some(tail.len()), "intermediate messages are as short: {longest:?}");
    assert_eq!(app.get_prediction(&created).await["logs"], line.repeat(STORY.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_verify_when_they_are_inflated() {
    let app = TestApp::start().await;
    let text = "again and ".repeat(1000);
    app.create_with(app.with_webhook(hello(&text)), &[("cogwire-webhook-gzip", "true")]).await;
    let sent = app.receiver.wait_completed().await;
    assert_eq!(sent.header("content-encoding"), "gzip");
    assert!(sent.body.len() < text.len() / 10, "{} bytes", sent.body.len());
    let inflated = Webhook { body: inflate(&sent.body).into(), ..sent };
    inflated.assert_signed(&app.secret().await);
    assert_eq!(inflated.json()["output"], format!("hello {text}"));
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut inflated = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(bytes), &mut inflated).expect("gzip");
    inflated
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_followed_to_its_end() {
    let app = TestApp::start().await;
    app.receiver.always(Behaviour::Answer(500));
    let schedule = [("cogwire-webhook-schedule", "1h, 1d")];
    let created = app.create_with(app.with_webhook(hello("Eve")), &schedule).await;
    for (attempts, gap) in [(1, 3_600), (2, 86_400)] {
        app.wait_for_attempts(&created, attempts).await;
        let waiting = app.wait_delivery_state(&created, "pending").await;
        let wait = seconds(&waiting["next_attempt_at"]) - app.clock().now().as_seconds();
        // A retry may come a fifth of its gap early, and the test's clock goes on meanwhile.
        assert!((gap * 8 / 10 - 60..=gap).contains(&wait), "{wait} s until attempt {}", attempts + 1);
        app.advance(Duration::from_secs(gap.unsigned_abs()));
    }
    let given_up = app.wait_delivery_state(&created, "exhausted").await;
    assert_eq!((&given_up["attempts"], app.receiver.webhooks().len()), (&json!(3), 3));
}

fn seconds(time: &Value) -> i64 {
    Timestamp::parse(time.as_str().expect("a time")).expect("a time").as_seconds()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_hold_where_no_header_says_otherwise() {
    let body = BodyRule { thin_above: Some(0), log_tail: None };
    let webhook_options = WebhookOptions { body, ..WebhookOptions::default() };
    let app = TestApp::with(Options { webhook_options, ..Options::default() }).await;
    app.create(app.with_webhook(hello("Frank"))).await;
    assert_eq!(app.receiver.wait_completed().await.json()["thin"], true);
    app.create_with(app.with_webhook(hello("Grace")), &[("cogwire-webhook-body", "full")]).await;
    assert_eq!(app.receiver.wait_for(2).await[1].json()["output"], "hello Grace");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_it_is_in_replicates_json() {
    let app = TestApp::start().await;
    let plain = app.create(app.with_webhook(hello("Heidi"))).await;
    let all = [
        ("cogwire-webhook-schedule", "1h"),
        ("cogwire-webhook-body", "full"),
        ("cogwire-webhook-log-tail", "12345"),
        ("cogwire-webhook-gzip", "false"),
        ("cogwire-metadata", "of the caller"),
        ("traceparent", TRACE),
    ];
    let created = app.create_with(app.with_webhook(hello("Heidi")), &all).await;
    let keys =
        |prediction: &Value| prediction.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&created), keys(&plain));
    let ended = app.wait_ended(&created).await.to_string();
    let told = app.receiver.wait_for(2).await[1].json().to_string();
    for value in ["of the caller", "12345", "4bf92f3577b34da6a3ce929d0e0e4736"] {
        assert!(!ended.contains(value) && !told.contains(value), "{value} is in {ended} or {told}");
    }
    let ignored = app.create_with(hello("Ivan"), &all).await;
    assert_eq!(ignored.get("webhook"), None, "without a webhook they do nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_cannot_be_read_are_refused_wherever_something_is_created() {
    let app = TestApp::start().await;
    let training = format!("/v1/models/replicate/hello-world/versions/{HELLO}/trainings");
    for path in ["/v1/predictions", "/v1/models/replicate/hello-world/predictions", training.as_str()] {
        for (name, value) in [
            ("cogwire-webhook-schedule", "fast"),
            ("cogwire-webhook-body", "small"),
            ("cogwire-webhook-log-tail", "-1"),
            ("cogwire-webhook-gzip", "perhaps"),
            ("cogwire-webhook-payload", "envelope"),
            ("cogwire-metadata", ""),
        ] {
            let reply = app.http().post_with(path, &hello("Judy"), &[(name, value)]).await;
            assert_names(&reply, name);
        }
    }
    let reply =
        app.http().post_with("/v1/predictions", &hello("Judy"), &[("cogwire-webhook-body", "small")]).await;
    insta::assert_json_snapshot!("webhook_body_header", reply.json());
    let misspelled = [("cogwire-webhook-shedule", "5s")];
    let reply = app.http().post_with("/v1/predictions", &hello("Judy"), &misspelled).await;
    insta::assert_json_snapshot!("misspelled_webhook_header", reply.json());
}

fn assert_names(reply: &Reply, header: &str) {
    assert_eq!(reply.status, 422, "{}", reply.text);
    let body = reply.json();
    let detail = body["detail"].as_str().expect("a detail");
    assert!(detail.contains(header) && detail.contains("for example"), "{detail}");
}
