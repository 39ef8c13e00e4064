//! Sending again what no receiver took: messages that are named, and all that were given up since some time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Behaviour, TOKEN, TestApp, cogwire, hello, output};

/// A receiver that is down, and the messages about these predictions given up.
async fn given_up(app: &TestApp, texts: &[&str]) -> Vec<Value> {
    app.receiver.always(Behaviour::Answer(503));
    let mut created = Vec::new();
    for text in texts {
        created.push(app.create(app.with_webhook(hello(text))).await);
    }
    app.wait_given_up(&created).await
}

fn ids(deliveries: &[Value]) -> Vec<&Value> {
    deliveries.iter().map(|delivery| &delivery["id"]).collect()
}

async fn resend(app: &TestApp, body: Value) -> Value {
    app.http().post("/v1/deliveries/resend", &body).await.expect(202)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_named_are_sent_again_and_the_answer_tells_what_became_of_each() {
    let app = TestApp::start().await;
    let mut body = app.with_webhook(hello("Zoe"));
    body["webhook_events_filter"] = json!(["start"]);
    let started = app.create(body).await;
    let progress = app.wait_delivery_state(&started, "delivered").await;
    let lost = given_up(&app, &["Alice", "Bob"]).await;
    app.receiver.always(Behaviour::Answer(200));
    let nobodys = json!("msg_01m7ypx542artk8z0sr4q96nv2_1");
    let named = [ids(&lost), vec![&progress["id"], &nobodys, &lost[0]["prediction"]]].concat();
    let answer = resend(&app, json!({"ids": named})).await;
    let outcomes: Vec<&Value> =
        answer["results"].as_array().expect("a list").iter().map(|one| &one["outcome"]).collect();
    assert_eq!(outcomes, ["queued", "queued", "not_stored", "not_found", "not_found"]);
    assert_eq!(answer["queued"], 2);
    for delivery in &lost {
        let again = app.wait_resent(delivery).await;
        let last = again["log"].as_array().and_then(|log| log.last()).expect("attempts");
        assert_eq!((&last["manual"], &last["class"]), (&json!(true), &json!("delivered")));
    }
    let resent =
        app.receiver.webhooks().into_iter().filter(|hook| hook.headers.contains_key("cogwire-resent"));
    let mut names: Vec<String> = resent.map(|hook| hook.id().to_owned()).collect();
    names.sort();
    let mut expected: Vec<&str> = lost.iter().filter_map(|delivery| delivery["id"].as_str()).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_given_up_since_a_time_is_sent_again() {
    let app = TestApp::start().await;
    let before = given_up(&app, &["Alice"]).await;
    app.advance(Duration::from_secs(60));
    let since = app.now().to_string();
    let after = given_up(&app, &["Bob", "Carol"]).await;
    app.receiver.always(Behaviour::Answer(200));
    let later = (app.now() + Duration::from_secs(1)).to_string();
    assert_eq!(resend(&app, json!({"since": later})).await, json!({"next": null, "queued": 0}));
    let answer = resend(&app, json!({"since": since, "state": "exhausted"})).await;
    assert_eq!(answer, json!({"next": null, "queued": 2}));
    for delivery in &after {
        app.wait_resent(delivery).await;
    }
    let id = before[0]["id"].as_str().expect("an id");
    assert_eq!(app.http().get(&format!("/v1/deliveries/{id}")).await.expect(200)["state"], "exhausted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_asks_until_there_are_no_more() {
    let app = TestApp::start().await;
    let lost = given_up(&app, &["Alice", "Bob"]).await;
    app.receiver.always(Behaviour::Answer(200));
    for said in ["2 messages are sent again\n", "0 messages are sent again\n"] {
        let mut command = cogwire();
        command.args(["webhooks", "resend", "--since", "1h"]);
        command.env("COGWIRE_URL", app.http().base).env("COGWIRE_API_TOKEN", TOKEN);
        let ended = output(command).await;
        assert_eq!(String::from_utf8_lossy(&ended.stdout), said, "{ended:?}");
        for delivery in &lost {
            app.wait_resent(delivery).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_says_something_else_than_it_means_is_refused() {
    let app = TestApp::start().await;
    let reply = app.http().post("/v1/deliveries/resend", &json!({"id": ["msg_1"]})).await;
    assert_eq!(reply.status, 422);
    assert!(reply.text.contains("did you mean ids?"), "{}", reply.text);
}
