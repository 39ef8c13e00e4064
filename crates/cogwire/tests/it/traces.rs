//! Traces: what a collector is sent, what receivers are told, and that nothing waits for a collector.

use std::time::Duration;

use cogwire::config::Roles;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::harness::{Behaviour, Collector, Log, Options, Process, Seen, TestApp, TestStore, hello, serve};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const OTHER: &str = "0af7651916cd43dd8448eb211c80319c";

/// What no span may ever show.
const SECRET: &str = "s3cret";

/// A server whose traces go to the collector.
async fn traced_by(collector: &Collector) -> TestApp {
    TestApp::with(Options { traces: Some(collector.traces()), ..Options::default() }).await
}

/// A `traceparent` of the caller with these flags.
fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

fn completed(app: &TestApp, text: &str) -> Value {
    let mut body = app.with_webhook(hello(text));
    body["webhook_events_filter"] = json!(["completed"]);
    body
}

async fn create_in(app: &TestApp, trace: &str, body: &Value) -> Value {
    app.http().post_with("/v1/predictions", body, &[("traceparent", trace)]).await.expect(201)
}

fn about<'a>(all: &'a [Seen], prediction: &Value) -> Vec<&'a Seen> {
    let id = prediction["id"].as_str().expect("an id");
    all.iter().filter(|seen| seen.attribute("cogwire.prediction_id") == id).collect()
}

/// The only span with this beginning of a name.
#[track_caller]
fn the<'a>(all: &[&'a Seen], name: &str) -> &'a Seen {
    let mut found = all.iter().filter(|seen| seen.name().starts_with(name));
    let (Some(one), None) = (found.next(), found.next()) else { panic!("not one {name} in {all:#?}") };
    one
}

/// Waits for all spans of a prediction: its create, its wait, its run, and so many attempts.
async fn tree(collector: &Collector, prediction: &Value, attempts: usize) -> Vec<Seen> {
    let all = collector
        .wait_until("all spans of a prediction", |all| about(all, prediction).len() == 3 + attempts)
        .await;
    about(&all, prediction).into_iter().cloned().collect()
}

/// What is true of each whole tree.
#[track_caller]
fn assert_one_tree(all: &[Seen], trace: &str, caller: &str) {
    let all: Vec<&Seen> = all.iter().collect();
    let create = the(&all, "POST /v1/predictions");
    assert_eq!((create.kind(), create.parent()), (SpanKind::Server, caller.to_owned()));
    assert_eq!(create.attribute("http.route"), "/v1/predictions");
    assert_eq!(create.attribute("http.response.status_code"), "201");
    let others: Vec<&Seen> = all.iter().copied().filter(|seen| seen.id() != create.id()).collect();
    assert!(others.iter().all(|seen| seen.parent() == create.id()), "{others:#?}");
    assert!(all.iter().all(|seen| seen.trace() == trace), "{all:#?}");
    let run = the(&all, "run replicate/hello-world");
    assert_eq!(
        (run.attribute("cogwire.run"), run.attribute("cogwire.status")),
        ("1".into(), "succeeded".into())
    );
    assert_eq!((run.kind(), run.error()), (SpanKind::Internal, ""));
    assert_eq!(the(&all, "wait replicate/hello-world").kind(), SpanKind::Internal);
    assert!(all.iter().all(|seen| !format!("{seen:?}").contains(SECRET)), "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_holds_the_request_the_run_and_every_attempt() {
    let collector = Collector::start().await;
    let app = traced_by(&collector).await;
    app.receiver.then([Behaviour::Answer(500)]);
    let mut body = completed(&app, SECRET);
    body["webhook"] = json!(format!("{}/{SECRET}?token={SECRET}", app.receiver.url));
    let created = create_in(&app, &traceparent("01"), &body).await;
    app.wait_for_attempts(&created, 1).await;
    app.advance(Duration::from_secs(10));
    let hooks = app.receiver.wait_for(2).await;

    let all = tree(&collector, &created, 2).await;
    assert_one_tree(&all, TRACE, CALLER);
    let mut attempts: Vec<&Seen> = all.iter().filter(|seen| seen.name() == "webhook completed").collect();
    attempts.sort_by_key(|seen| seen.attribute("cogwire.attempt"));
    for (attempt, hook) in attempts.iter().zip(&hooks) {
        assert_eq!(hook.header("traceparent"), format!("00-{TRACE}-{}-01", attempt.id()));
        assert_eq!(attempt.attribute("cogwire.delivery_id"), hook.id());
        let place =
            format!("http://{}:{}", attempt.attribute("server.address"), attempt.attribute("server.port"));
        assert_eq!(format!("{place}/hook"), app.receiver.url);
        assert_eq!(attempt.kind(), SpanKind::Client);
    }
    let end = |seen: &&Seen| {
        let told = |name| seen.attribute(name);
        (seen.error().to_owned(), told("error.type"), told("http.response.status_code"))
    };
    assert_eq!(
        attempts.iter().map(end).collect::<Vec<_>>(),
        [("status".into(), "500".into(), "500".into()), (String::new(), String::new(), "200".into())]
    );
    let process = |name: &str| all[0].of_process(name);
    assert_eq!(
        (process("service.name"), process("service.version")),
        ("cogwire".into(), env!("CARGO_PKG_VERSION").into())
    );
    assert_eq!(process("service.instance.id").len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_callers_trace_the_request_begins_one() {
    let collector = Collector::start().await;
    let app = traced_by(&collector).await;
    let created = app.create(completed(&app, "Alice")).await;
    let hook = app.receiver.wait_completed().await;
    let all = tree(&collector, &created, 1).await;
    let trace = all[0].trace();
    assert_one_tree(&all, &trace, "");
    let attempt = the(&all.iter().collect::<Vec<_>>(), "webhook completed");
    assert_eq!(hook.header("traceparent"), format!("00-{trace}-{}-01", attempt.id()));
    app.http().get("/readyz").await.expect(200);
    app.get_prediction(&created).await;
    let all =
        collector.wait_until("the look", |all| all.iter().any(|seen| seen.name().starts_with("GET"))).await;
    let names: Vec<&str> = all.iter().map(Seen::name).filter(|name| name.starts_with("GET")).collect();
    assert!(names.iter().all(|name| *name == "GET /v1/predictions/{id}"), "probes begin no trace: {names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_the_client_become_neither_names_nor_routes() {
    let collector = Collector::start().await;
    let app = traced_by(&collector).await;
    for (method, path) in [("STEAL", "/v1/predictions"), ("GET", "/s3cret"), ("STEAL", "/s3cret?a=s3cret")] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a word");
        let request = app.http().request(method, path).header("traceparent", traceparent("01"));
        request.send().await.expect("an answer");
    }
    let all = collector.wait_until("three requests", |all| all.len() == 3).await;
    let shown = |seen: &Seen| {
        (seen.name().to_owned(), seen.attribute("http.request.method"), seen.attribute("http.route"))
    };
    let expected =
        [("HTTP /v1/predictions", "_OTHER", "/v1/predictions"), ("GET", "GET", ""), ("HTTP", "_OTHER", "")];
    let expected = expected.map(|(name, method, route)| (name.into(), method.into(), route.into()));
    assert_eq!(all.iter().map(shown).collect::<Vec<_>>(), expected);
    assert!(!format!("{all:?}").contains(SECRET), "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_is_not_sampled_is_passed_on_and_not_exported() {
    let collector = Collector::start().await;
    let app = traced_by(&collector).await;
    let unsampled = create_in(&app, &traceparent("00"), &completed(&app, "Alice")).await;
    let hook = app.receiver.wait_completed().await;
    let parts: Vec<&str> = hook.header("traceparent").split('-').collect();
    assert_eq!((parts[1], parts[3]), (TRACE, "00"));
    assert_ne!(parts[2], CALLER);
    app.wait_delivery_state(&unsampled, "delivered").await;
    // What is recorded later arrives later.
    let sampled = app.create(completed(&app, "Bob")).await;
    tree(&collector, &sampled, 1).await;
    let all = collector.spans();
    assert!(about(&all, &unsampled).is_empty() && all.iter().all(|seen| seen.trace() != TRACE), "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_goes_on_after_a_restart() {
    let collector = Collector::start().await;
    let options = Options { max_running: 1, traces: Some(collector.traces()), ..Options::default() };
    let mut app = TestApp::with(options).await;
    let first = app.create(app.endless_story()).await;
    app.wait_for_status(&first, "processing").await;
    let created = create_in(&app, &traceparent("01"), &completed(&app, "Alice")).await;
    // Spans wait in memory for others: what is told before the stop is the request.
    collector.wait_until("the create", |all| about(all, &created).len() == 1).await;
    app.restart().await;
    app.receiver.wait_completed().await;
    let all = tree(&collector, &created, 1).await;
    assert_one_tree(&all, TRACE, CALLER);
    let node = |name: &str| the(&all.iter().collect::<Vec<_>>(), name).of_process("service.instance.id");
    assert_ne!(node("POST /v1/predictions"), node("run replicate/hello-world"), "another run of the node");
    assert!(the(&all.iter().collect::<Vec<_>>(), "wait").lasted() > Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_divide_the_work_show_one_trace() {
    let collector = Collector::start().await;
    let none = Roles { api: false, run: false, deliver: false };
    let options = Options {
        roles: Roles { api: true, ..none },
        traces: Some(collector.traces()),
        ..Options::default()
    };
    let app = TestApp::on(TestStore::postgres().await, options).await;
    let run = app.beside(Roles { run: true, ..none }).await;
    let deliver = app.beside(Roles { deliver: true, ..none }).await;
    let created = create_in(&app, &traceparent("01"), &completed(&app, "Alice")).await;
    let all = tree(&collector, &created, 1).await;
    assert_one_tree(&all, TRACE, CALLER);
    let node = |name: &str| the(&all.iter().collect::<Vec<_>>(), name).of_process("service.instance.id");
    let nodes = ["POST", "run", "webhook"].map(node);
    assert!(nodes[0] != nodes[1] && nodes[1] != nodes[2] && nodes[0] != nodes[2], "{nodes:?}");
    assert_eq!(node("wait"), nodes[1]);
    for other in [run, deliver] {
        other.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_leads_to_the_trace_of_the_first_create() {
    let collector = Collector::start().await;
    let app = traced_by(&collector).await;
    let other = traceparent("01").replace(TRACE, OTHER);
    let mut created = Vec::new();
    for trace in [traceparent("01"), other] {
        let headers = [("idempotency-key", "k"), ("traceparent", trace.as_str())];
        created.push(app.http().post_with("/v1/predictions", &hello("Alice"), &headers).await.expect(201));
    }
    assert_eq!(created[0]["id"], created[1]["id"]);
    let all = collector.wait_until("both creates", |all| about(all, &created[0]).len() == 4).await;
    let of_the_other: Vec<_> = all.iter().filter(|seen| seen.trace() == OTHER).map(Seen::name).collect();
    assert_eq!(of_the_other, ["POST /v1/predictions"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prediction_without_a_webhook_keeps_its_trace_and_shows_how_it_ended() {
    let collector = Collector::start().await;
    let app = traced_by(&collector).await;
    let created = create_in(&app, &traceparent("01"), &app.endless_story()).await;
    app.wait_for_status(&created, "processing").await;
    app.cancel(&created).await.expect(200);
    let all = tree(&collector, &created, 0).await;
    let run = the(&all.iter().collect::<Vec<_>>(), "run acme/story");
    assert_eq!((run.attribute("cogwire.status").as_str(), run.error()), ("canceled", ""));
    assert_eq!(run.trace(), TRACE);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_does_changes_nothing_for_predictions() {
    let collector = Collector::start().await;
    let app = traced_by(&collector).await;
    for behaviour in [Behaviour::Answer(503), Behaviour::Answer(400), Behaviour::Hang] {
        collector.always(behaviour);
        let before = app.receiver.webhooks().len();
        app.create(completed(&app, "Alice")).await;
        app.receiver.wait_for(before + 1).await;
        collector.wait_for_requests(collector.headers().len() + 1).await;
    }
    assert!(collector.spans().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_takes_nothing_is_told_of_once_and_gets_the_spans_later() {
    let (collector, dir, log) =
        (Collector::start().await, tempfile::tempdir().expect("a folder"), Log::default());
    collector.always(Behaviour::Answer(503));
    let mut command = serve(dir.path());
    command
        .env("COGWIRE_OTLP_ENDPOINT", &collector.url)
        .env("COGWIRE_OTLP_HEADER", format!("x-key: {SECRET}"));
    let mut server = Process::start_with(command, log.clone()).await;
    let mut body = hello("Alice");
    body["webhook_events_filter"] = json!(["completed"]);
    let created = server.http.post("/v1/predictions", &body).await.expect(201);
    collector.wait_for_requests(3).await;
    collector.always(Behaviour::Answer(200));
    tree(&collector, &created, 0).await;
    assert!(collector.headers().iter().all(|headers| headers["x-key"] == SECRET));
    server.terminate();
    assert!(server.ended().await.success());
    let text = log.text();
    assert_eq!(text.matches("traces cannot be exported").count(), 1, "{text}");
    assert_eq!(text.matches("traces are exported again").count(), 1, "{text}");
    assert!(text.contains("the collector answered 503") && !text.contains(SECRET), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_sends_the_spans_that_are_left() {
    let (collector, dir) = (Collector::start().await, tempfile::tempdir().expect("a folder"));
    let mut command = serve(dir.path());
    // The variable that all programs have.
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).env("OTEL_SERVICE_NAME", "mine");
    let mut server = Process::start_as(command).await;
    let created =
        server.http.post_with("/v1/predictions", &hello("Alice"), &[("prefer", "wait")]).await.expect(201);
    server.terminate();
    assert!(server.ended().await.success());
    let all = collector.spans();
    assert_eq!(about(&all, &created).len(), 3, "{all:#?}");
    assert_eq!(all[0].of_process("service.name"), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_holds_up_neither_work_nor_stop() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut command = serve(dir.path());
    // Nobody listens there.
    command.env("COGWIRE_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let mut server = Process::start_as(command).await;
    let reply = server.http.post_with("/v1/predictions", &hello("Alice"), &[("prefer", "wait")]).await;
    assert_eq!(reply.expect(201)["status"], "succeeded");
    server.terminate();
    assert!(server.ended().await.success());
}
