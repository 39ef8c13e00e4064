//! Lists and their pages.

use serde_json::{Value, json};

use crate::harness::{TestApp, hello};

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_forward_and_back_without_gaps() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for n in 0..103 {
        let created = app.create(hello(&n.to_string())).await;
        ids.push(created["id"].as_str().expect("an id").to_owned());
    }
    app.settle().await;
    ids.sort();
    ids.reverse();
    let first = app.http().get("/v1/predictions").await.expect(200);
    assert_eq!(first["previous"], json!(null));
    let second = app.http().get(first["next"].as_str().expect("a second page")).await.expect(200);
    assert_eq!(second["next"], json!(null));
    assert_eq!([ids_of(&first), ids_of(&second)].concat(), ids);
    let back = app.http().get(second["previous"].as_str().expect("a way back")).await.expect(200);
    assert_eq!(ids_of(&back), ids_of(&first));
}

fn ids_of(page: &Value) -> Vec<String> {
    let rows = page["results"].as_array().expect("rows");
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn created_after_and_before_bound_the_list() {
    let app = TestApp::start().await;
    let first = app.create(hello("1")).await;
    let second = app.create(hello("2")).await;
    app.settle().await;
    let at = second["created_at"].as_str().expect("a time");
    let from = app.http().get(&format!("/v1/predictions?created_after={at}")).await.expect(200);
    assert_eq!(ids_of(&from), [second["id"].as_str().expect("an id")]);
    let before = app.http().get(&format!("/v1/predictions?created_before={at}")).await.expect(200);
    assert_eq!(ids_of(&before), [first["id"].as_str().expect("an id")]);
    let web = app.http().get("/v1/predictions?source=web").await.expect(200);
    assert!(ids_of(&web).is_empty());
}
