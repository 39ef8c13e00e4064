//! What real servers cannot be made to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::fake::{Answered, Asked, Fake, answer, streamed};
use super::world::{Story, TRACE, World, server};
use crate::event::End;
use crate::instances::{InstanceFigures, InstanceState};
use crate::runtime::cog_http::CogServer;
use crate::testing::all_events;

const READY: &str = r#"{"status":"READY","setup":{"status":"succeeded"},"version":{"coglet":"0.23.1"}}"#;

/// A server of the newest kind whose predictions answer as the test says.
async fn coglet<F>(streaming: bool, predict: impl Fn(Asked) -> F + Send + Sync + 'static) -> Fake
where
    F: Future<Output = Answered> + Send + 'static,
{
    let predict = Arc::new(predict);
    let schema = json!({
        "paths": {"/predictions": {"post": {"x-cog-streaming": streaming}}},
        "components": {"schemas": {
            "Input": {"type": "object"},
            "Output": {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"},
        }},
    });
    Fake::serve(move |asked| {
        let (predict, schema) = (Arc::clone(&predict), schema.to_string());
        async move {
            match (&asked.method, asked.path.as_str()) {
                (&Method::GET, "/health-check") => answer(200, READY),
                (&Method::GET, "/openapi.json") => answer(200, &schema),
                (&Method::GET, _) => answer(200, r#"{"cog_version":"0.23.1"}"#),
                _ => predict(asked).await,
            }
        }
    })
    .await
}

/// Waits until this holds for the instance.
async fn until(world: &World, holds: impl Fn(&InstanceFigures) -> bool) {
    while !world.runner.instances().first().is_some_and(|it| holds(&it.figures)) {
        tokio::task::yield_now().await;
    }
}

/// Whether it is one of the looks at a run, and not its creation.
fn is_look(asked: &Asked) -> bool {
    asked.body == r#"{"input":0}"#
}

async fn call_back(webhook: &str, state: &Value) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request =
        http::Request::post(webhook).body(Full::new(Bytes::from(state.to_string()))).expect("a request");
    let answered = client.request(request).await.expect("we listen");
    let _ = answered.into_body().collect().await;
}

#[tokio::test]
async fn callbacks_in_the_wrong_order_tell_the_right_story() {
    let fake = coglet(false, |asked| async move {
        if is_look(&asked) {
            return answer(422, "{}");
        }
        let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
        let webhook = body["webhook"].as_str().expect("we want to be called back").to_owned();
        let state = |logs: &str, output: Value, status: &str| json!({"status": status, "logs": logs, "output": output});
        call_back(&webhook, &state("one\ntwo\n", json!(["a", "b"]), "processing")).await;
        call_back(&webhook, &state("one\n", json!(["a"]), "processing")).await;
        call_back(&webhook, &json!("rubbish")).await;
        call_back(&webhook, &state("one\ntwo\nthree\n", json!(["a", "b", "c"]), "failed")).await;
        call_back(&webhook, &state("one\ntwo\n", json!(["a", "b"]), "processing")).await;
        answer(200, r#"{"status":"failed","logs":"","error":"Prediction failed: ValueError: no"}"#)
    })
    .await;
    let world = World::new(&fake.url).await;
    let expected = Story {
        logs: "one\ntwo\nthree\n".to_owned(),
        outputs: ["a", "b", "c"].map(|item| format!("item \"{item}\"")).to_vec(),
        end: End::Failed("no".to_owned()),
    };
    assert_eq!(world.run(&json!({})).await, expected);
    world.end().await;
}

#[tokio::test]
async fn a_stream_that_drops_events_leaves_no_hole() {
    let fake = coglet(true, |asked| async move {
        if asked.stream {
            let events = [
                "event: start\ndata: {\"status\":\"processing\"}\n\n",
                "event: log\ndata: {\"data\":\"one\\n\",\"source\":\"stdout\"}\n\n",
                "event: output\ndata: {\"chunk\":\"a\",\"index\":0}\n\nevent: err",
                "or\ndata: {\"error\":\"SSE stream lagged; events were dropped\",\"skipped\":4}\n\n",
            ];
            let events = events.map(str::to_owned).to_vec();
            return streamed(200, "text/event-stream", events, false);
        }
        if is_look(&asked) {
            return answer(202, r#"{"status":"processing","logs":"one\ntwo\n","output":["a","b"]}"#);
        }
        // Until there has been a look.
        tokio::time::sleep(Duration::from_millis(700)).await;
        answer(200, r#"{"status":"canceled","logs":""}"#)
    })
    .await;
    let world = World::deaf(&server(&fake.url));
    let expected = Story {
        logs: "one\ntwo\n".to_owned(),
        outputs: vec![r#"item "a""#.to_owned(), r#"item "b""#.to_owned()],
        end: End::Canceled,
    };
    assert_eq!(world.run(&json!({})).await, expected);
    world.end().await;
}

#[tokio::test]
async fn a_run_is_told_of_the_trace_that_it_is_part_of() {
    let fake = coglet(false, |asked| async move {
        match asked.trace {
            _ if is_look(&asked) => answer(422, "{}"),
            Some(trace) if trace == TRACE => {
                answer(200, r#"{"status":"succeeded","output":["a"],"logs":""}"#)
            }
            other => answer(500, &format!("{other:?}")),
        }
    })
    .await;
    let world = World::deaf(&server(&fake.url));
    assert_eq!(world.run(&json!({})).await.end, End::Succeeded);
    world.end().await;
}

#[tokio::test]
async fn a_busy_answer_right_after_a_run_is_tried_again() {
    let busy = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&busy);
    let fake = coglet(false, move |asked| {
        let busy = Arc::clone(&counted);
        async move {
            if is_look(&asked) {
                return answer(422, "{}");
            }
            match busy.fetch_add(1, Ordering::Relaxed) {
                0..5 => {
                    answer(409, r#"{"error":"At capacity - all prediction slots busy","status":"failed"}"#)
                }
                _ => answer(200, r#"{"status":"succeeded","output":["a"],"logs":""}"#),
            }
        }
    })
    .await;
    let world = World::deaf(&server(&fake.url));
    assert_eq!(world.run(&json!({})).await.outputs, [r#"item "a""#]);
    busy.store(usize::MAX / 2, Ordering::Relaxed);
    assert_eq!(world.run(&json!({})).await.end, End::Succeeded);
    world.end().await;
}

#[tokio::test]
async fn a_server_that_is_always_busy_is_reported() {
    let fake = coglet(false, |asked| async move {
        if is_look(&asked) {
            answer(422, "{}")
        } else {
            answer(409, r#"{"detail":"Already running a prediction"}"#)
        }
    })
    .await;
    let world = World::deaf(&server(&fake.url));
    let failure = world.run(&json!({})).await.failure();
    assert!(
        failure.contains("says that it is busy, with nothing of ours (Already running a prediction)"),
        "{failure}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_server_that_hangs_is_left_after_the_cancel_deadline() {
    let fake = coglet(false, |asked| async move {
        if is_look(&asked) { answer(422, "{}") } else { std::future::pending().await }
    })
    .await;
    let world = World::deaf(&CogServer { cancel_timeout: Duration::from_millis(100), ..server(&fake.url) });
    let (run, cancel) = world.start(&json!({}));
    until(&world, |it| it.busy == 1).await;
    cancel.cancel();
    assert_eq!(Story::of(&all_events(run).await).end, End::Canceled);
    world.end().await;
}

#[tokio::test]
async fn a_run_that_cannot_be_cancelled_costs_no_other_run() {
    let go_on = Arc::new(Notify::new());
    let told = Arc::clone(&go_on);
    let fake = coglet(false, move |asked| {
        let go_on = Arc::clone(&told);
        async move {
            if is_look(&asked) {
                return answer(422, "{}");
            }
            let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
            match body["input"]["what"].as_str() {
                Some("hangs") => std::future::pending().await,
                Some("waits") => go_on.notified().await,
                _ => {}
            }
            answer(200, r#"{"status":"succeeded","output":["a"],"logs":""}"#)
        }
    })
    .await;
    let impatient = CogServer { slots: 2, cancel_timeout: Duration::from_millis(100), ..server(&fake.url) };
    let world = World::deaf(&impatient);
    let (hanging, cancel) = world.start(&json!({"what": "hangs"}));
    let (healthy, _) = world.start(&json!({"what": "waits"}));
    until(&world, |it| it.busy == 2).await;
    cancel.cancel();
    assert_eq!(Story::of(&all_events(hanging).await).end, End::Canceled);
    while world.runner.instances().iter().any(|it| it.figures.state == InstanceState::Busy) {
        tokio::task::yield_now().await;
    }
    let (next, _) = world.start(&json!({}));
    go_on.notify_one();
    for run in [healthy, next] {
        assert_eq!(Story::of(&all_events(run).await).end, End::Succeeded);
    }
    world.end().await;
}

#[tokio::test]
async fn rubbish_is_quoted() {
    let fake = coglet(false, |asked| async move {
        if is_look(&asked) { answer(422, "{}") } else { answer(200, "<html>\n welcome</html>") }
    })
    .await;
    let world = World::deaf(&server(&fake.url));
    assert_eq!(
        world.run(&json!({})).await.failure(),
        format!(
            "The model's server at {} answered with what is no prediction: <html>  welcome</html>",
            fake.url
        )
    );
    world.end().await;
}

#[tokio::test]
async fn what_is_no_cog_server_is_not_used() {
    let fake = Fake::serve(|_| async { answer(200, "<html>") }).await;
    let world = World::deaf(&server(&fake.url));
    assert_eq!(
        world.run(&json!({})).await.failure(),
        format!("The model's server cannot be used: {}: it does not answer like a Cog server", fake.url)
    );
    world.end().await;
}

#[tokio::test]
async fn a_server_that_is_not_up_yet_is_waited_for() {
    let looks = Arc::new(AtomicUsize::new(0));
    let fake = Fake::serve(move |asked| {
        let looks = Arc::clone(&looks);
        async move {
            match (asked.path.as_str(), looks.fetch_add(1, Ordering::Relaxed)) {
                ("/health-check", 0) => answer(502, "bad gateway"),
                ("/health-check", 1) => answer(200, r#"{"status":"STARTING"}"#),
                ("/health-check", _) => answer(200, READY),
                ("/", _) | ("/openapi.json", _) => answer(503, "{}"),
                _ => answer(200, r#"{"status":"succeeded","output":[1],"logs":"x"}"#),
            }
        }
    })
    .await;
    let world = World::deaf(&server(&fake.url));
    let expected = Story { logs: "x".to_owned(), outputs: vec!["value [1]".to_owned()], end: End::Succeeded };
    assert_eq!(world.run(&json!({})).await, expected);
    world.end().await;
}
