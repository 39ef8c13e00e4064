//! Events by cursor: how a receiver that was down catches up.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Behaviour, CHAOS, TestApp, hello, send};

impl TestApp {
    async fn events(&self, query: &str) -> Value {
        self.http().get(&format!("/v1/events{query}")).await.expect(200)
    }

    /// The next `count` events, in pages of at most `limit`, and where those after them will be.
    async fn catch_up(&self, from: &str, limit: usize, count: usize) -> (Vec<Value>, String) {
        let (mut seen, mut place) = (Vec::new(), from.to_owned());
        while seen.len() < count {
            let page = self.events(&format!("?limit={limit}&wait=10&after={place}")).await;
            let results = page["results"].as_array().expect("a list");
            let last = results.last().unwrap_or_else(|| panic!("{count} events: {seen:?}"));
            assert!(results.len() <= limit && last["cursor"] == page["next"], "{page}");
            seen.extend(results.clone());
            page["next"].as_str().expect("a cursor").clone_into(&mut place);
        }
        assert_eq!(seen.len(), count);
        (seen, place)
    }

    async fn now_cursor(&self) -> String {
        self.events("?after=now").await["next"].as_str().expect("a cursor").to_owned()
    }
}

fn outputs(events: &[Value]) -> Vec<&Value> {
    events.iter().map(|event| &event["data"]["output"]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_that_a_receiver_is_told_of_is_an_event() {
    let app = TestApp::start().await;
    let created = app.create(app.with_webhook(hello("Alice"))).await;
    app.wait_ended(&created).await;
    let hook = app.receiver.wait_completed().await;
    let page = app.events("?wait=10").await;
    let event = &page["results"][0];
    assert_eq!(event["type"], "prediction.completed");
    assert_eq!(event["webhook_id"], hook.id());
    assert_eq!(event["data"], hook.json());
    assert_eq!(event["created_at"], app.wait_delivery_state(&created, "delivered").await["created_at"]);
    assert_eq!(page["results"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_that_nobody_is_told_of_are_none() {
    let app = TestApp::start().await;
    app.wait_ended(&app.create(hello("Alice")).await).await;
    let mut body = app.with_webhook(hello("Bob"));
    body["webhook_events_filter"] = json!(["start"]);
    app.wait_ended(&app.create(body).await).await;
    assert_eq!(app.events("").await["results"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_catches_up_also_over_a_restart() {
    let mut app = TestApp::start().await;
    app.receiver.always(Behaviour::Hang);
    let start = app.now_cursor().await;
    for text in ["a", "b", "c"] {
        app.wait_ended(&app.create(app.with_webhook(hello(text))).await).await;
    }
    let (first, place) = app.catch_up(&start, 2, 3).await;
    assert_eq!(outputs(&first), ["hello a", "hello b", "hello c"]);
    app.restart().await;
    app.wait_ended(&app.create(app.with_webhook(hello("d"))).await).await;
    let (rest, _) = app.catch_up(&place, 1000, 1).await;
    assert_eq!(outputs(&rest), ["hello d"]);
    let (all, _) = app.catch_up(&start, 1, 4).await;
    assert_eq!(all, [first, rest].concat());
    assert_eq!(app.catch_up("start", 3, 4).await.0, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_after_events_are_gone_is_told_and_goes_on() {
    let app = TestApp::start().await;
    let start = app.now_cursor().await;
    let mut ended = Vec::new();
    for text in ["a", "b"] {
        let created = app.create(app.with_webhook(hello(text))).await;
        app.wait_delivery_state(&created, "delivered").await;
        ended.push(created);
    }
    let (seen, place) = app.catch_up(&start, 1, 2).await;
    let after_first = seen[0]["cursor"].as_str().expect("a cursor");
    app.advance(Duration::from_secs(8 * 24 * 60 * 60));
    for created in &ended {
        app.wait_no_deliveries(created).await;
    }
    // It is told at once, however long it would wait.
    let late = app.events(&format!("?wait=60&after={after_first}")).await;
    assert_eq!(late, json!({"gap": true, "next": place, "results": []}));
    for complete in [format!("?after={place}"), "?after=start".to_owned(), "?after=now".to_owned()] {
        assert_eq!(app.events(&complete).await["gap"], false, "{complete}");
    }
    app.wait_ended(&app.create(app.with_webhook(hello("c"))).await).await;
    let late = app.events(&format!("?wait=10&after={after_first}")).await;
    assert_eq!((&late["gap"], late["results"].as_array().map(Vec::len)), (&json!(true), Some(1)));
    assert_eq!(outputs(&app.catch_up(&place, 1, 1).await.0), ["hello c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_answered_when_something_ends() {
    let app = TestApp::start().await;
    let place = app.now_cursor().await;
    let hanging = json!({"version": CHAOS, "input": {"outcome": "hang"}});
    let created = app.create(app.with_webhook(hanging)).await;
    let waiting = app.http();
    let path = format!("/v1/events?wait=60&after={place}");
    let (page, _) = tokio::join!(waiting.get(&path), app.cancel(&created));
    assert_eq!(page.expect(200)["results"][0]["data"]["status"], "canceled");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_in_vain_is_answered_when_the_time_is_up_with_the_place_that_it_had() {
    let app = TestApp::start().await;
    let place = app.now_cursor().await;
    let waiting = app.http();
    let path = format!("/v1/events?wait=60&after={place}");
    let waited = waiting.get(&path);
    tokio::pin!(waited);
    // The request may be on its way still when the time moves the first time.
    let page = loop {
        tokio::select! {
            page = &mut waited => break page.expect(200),
            () = crate::harness::pause() => app.advance(Duration::from_secs(61)),
        }
    };
    assert_eq!((&page["results"], &page["next"]), (&json!([]), &json!(place)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused() {
    let app = TestApp::start().await;
    let mut said = String::new();
    for query in
        ["limit=0", "limit=1001", "limit=many", "wait=61", "wait=-1", "after=%21", "cursor=x", "aftr=now"]
    {
        let reply = app.http().get(&format!("/v1/events?{query}")).await;
        assert_eq!(reply.status, 422, "{query}: {}", reply.text);
        said += &format!("{query}\n{}\n", reply.json()["detail"].as_str().expect("a text"));
    }
    insta::assert_snapshot!("refused_events", said);
    assert_eq!(send(app.http().request(Method::GET, "/v1/events")).await.status, 401);
}
