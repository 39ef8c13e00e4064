//! The event stream: what it says, and that a reader who comes late or comes back misses nothing.

use serde_json::json;

use crate::harness::{CHAOS, STORY, Sse, TestApp, read_stream};

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_every_piece_then_done() {
    let app = TestApp::start().await;
    let created = app.create(app.story([])).await;
    let events = read_stream(&app, &created, None).await;
    assert_eq!(outputs(&events).concat(), STORY.concat());
    assert!(events.iter().all(|event| event.id.contains(':')), "every event has an id");
    assert_eq!(events.last().map(|event| (event.event.as_str(), event.data.as_str())), Some(("done", "{}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reader_gets_everything_and_a_returning_one_only_the_rest() {
    let app = TestApp::start().await;
    let created = app.create(app.story([])).await;
    app.wait_ended(&created).await;
    let all = read_stream(&app, &created, None).await;
    assert_eq!(outputs(&all), STORY);
    for (position, event) in all.iter().enumerate() {
        let rest = read_stream(&app, &created, Some(&event.id)).await;
        let expected = if event.event == "done" { &all[position..] } else { &all[position + 1..] };
        assert_eq!(rest, expected, "after {}", event.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_prediction_says_so() {
    let app = TestApp::start().await;
    let created = app.create(app.endless_story()).await;
    app.wait_for_status(&created, "processing").await;
    app.cancel(&created).await.expect(200);
    let events = read_stream(&app, &created, None).await;
    assert_eq!(
        events.last().map(|event| event.data.clone()),
        Some(json!({"reason": "canceled"}).to_string())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guessed_stream_url_is_not_found() {
    let app = TestApp::start().await;
    let created = app.create(app.story([])).await;
    let url = created["urls"]["stream"].as_str().expect("a stream");
    let last = if url.ends_with('a') { 'b' } else { 'a' };
    let guessed = format!("{}{last}", &url[..url.len() - 1]);
    app.http().get(&guessed).await.expect(404);
    app.wait_ended(&created).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_stream_offers_no_stream() {
    let app = TestApp::start().await;
    let created = app.create(json!({"version": CHAOS, "input": {}})).await;
    assert!(created["urls"].get("stream").is_none());
    app.wait_ended(&created).await;
}

fn outputs(events: &[Sse]) -> Vec<String> {
    events.iter().filter(|event| event.event == "output").map(|event| event.data.clone()).collect()
}
