//! Requests as they arrive, judged by the Rust library of Standard Webhooks. `clients/` has the other languages' judges.

use std::time::Duration;

use serde_json::{Value, json};
use standardwebhooks::Webhook as Judge;

use crate::harness::{TestApp, Webhook, hello};

/// What a create may ask for that changes the request.
const ASKED: [(&str, &str); 4] = [
    ("cogwire-webhook-payload", "event"),
    ("cogwire-webhook-body", "thin"),
    ("cogwire-webhook-log-tail", "0"),
    ("cogwire-metadata", "a, b; c=\"d\""),
];

async fn key(app: &TestApp) -> String {
    app.secret().await.expose()
}

async fn rotate(app: &TestApp, asked: &Value) -> Value {
    app.http().post("/v1/webhooks/default/secret/rotate", asked).await.expect(201)
}

/// The newest webhook, of a prediction that is created for it.
async fn next(app: &TestApp, headers: &[(&str, &str)]) -> Webhook {
    let before = app.receiver.webhooks().len();
    // What the sender remembers of secrets is old after a second.
    app.advance(Duration::from_secs(2));
    let body = app.with_webhook(hello("ä 🙂 </script> \u{2028} \u{7}"));
    app.http().post_with("/v1/predictions", &body, headers).await.expect(201);
    app.receiver.wait_for(before + 1).await.swap_remove(before)
}

fn accepts(key: &str, hook: &Webhook) -> bool {
    Judge::new(key).expect("the library takes the key").verify(&hook.body, &hook.headers).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_accepts_what_is_sent_and_nothing_else() {
    let app = TestApp::start().await;
    let key = key(&app).await;
    for asked in [None].into_iter().chain(ASKED.map(Some)) {
        let hook = next(&app, asked.as_slice()).await;
        assert!(accepts(&key, &hook), "{asked:?}: {:?}", hook.headers);
        let mut changed = hook.body.to_vec();
        changed.push(b' ');
        assert!(!accepts(&key, &Webhook { body: changed.into(), ..hook }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_may_have_any_secret_that_still_signs() {
    let app = TestApp::start().await;
    let mut keys = vec![key(&app).await];
    for overlap in ["1h", "2h"] {
        rotate(&app, &json!({"overlap": overlap})).await;
        keys.push(key(&app).await);
    }
    rotate(&app, &json!({"kind": "ed25519"})).await;
    let hook = next(&app, &[]).await;
    let entries: Vec<&str> = hook.header("webhook-signature").split(' ').collect();
    assert_eq!(entries.iter().filter(|entry| entry.starts_with("v1,")).count(), 3, "{entries:?}");
    assert_eq!(entries.iter().filter(|entry| entry.starts_with("v1a,")).count(), 1, "{entries:?}");
    assert!(keys.iter().all(|key| accepts(key, &hook)), "{entries:?}");

    app.http().post("/v1/webhooks/default/secret/retire", &json!({})).await.expect(200);
    let hook = next(&app, &[]).await;
    let accepted: Vec<bool> = keys.iter().map(|key| accepts(key, &hook)).collect();
    assert_eq!(accepted, [false, false, true]);
}
