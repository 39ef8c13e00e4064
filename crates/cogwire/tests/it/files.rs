//! Files that models make and callers send.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Behaviour, Options, TestApp, send};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const PICTURE: &str = r#"
[[model]]
owner = "acme"
name = "painter"
output = "value"
[[model.step]]
output_file = "picture.png"

[[model]]
owner = "acme"
name = "packer"
output = "list"
[[model.step]]
output = { image = "data:image/png;base64,aW1hZ2U=", notes = ["data:text/plain,one", { deep = "data:text/plain,two" }] }
[[model.step]]
output = "data: is what a sentence may begin with, too"

[[model]]
owner = "acme"
name = "echo"
output = "value"
[[model.step]]
output = "{{ input.file }}"
"#;

/// The smallest PNG that programs accept.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

fn options(output_files: &str) -> Options {
    Options {
        scripts: Some(PICTURE.to_owned()),
        script_files: vec![("picture.png".to_owned(), PNG.to_vec())],
        output_files: output_files.to_owned(),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_file_is_served_with_its_type_and_in_ranges() {
    let app = TestApp::with(options("url")).await;
    let created = app.create(json!({"version": "acme/painter", "input": {}})).await;
    let url = app.wait_ended(&created).await["output"].as_str().expect("a URL").to_owned();
    let whole = app.http().request(Method::GET, &url).send().await.expect("an answer");
    assert_eq!(whole.headers()["content-type"], "image/png");
    assert_eq!(whole.bytes().await.expect("bytes"), PNG);
    let part =
        app.http().request(Method::GET, &url).header("range", "bytes=1-3").send().await.expect("an answer");
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.expect("bytes"), &PNG[1..4]);
    let beyond = app.http().request(Method::GET, &url).header("range", "bytes=9999-");
    assert_eq!(send(beyond).await.status, 416);
    let tampered = url.replace("signature=", "signature=x");
    assert_eq!(send(app.http().request(Method::GET, &tampered)).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_are_data_urls_for_clients_on_plain_http() {
    let app = TestApp::with(options("auto")).await;
    let created = app.create(json!({"version": "acme/painter", "input": {}})).await;
    let output = app.wait_ended(&created).await["output"].as_str().expect("a URL").to_owned();
    assert!(output.starts_with("data:image/png;base64,"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_url_in_the_input_becomes_a_file() {
    let app = TestApp::with(options("url")).await;
    let input = json!({"file": "data:text/plain;base64,aGVsbG8="});
    let created = app.create(json!({"version": "acme/echo", "input": input})).await;
    let ended = app.wait_ended(&created).await;
    let url = ended["input"]["file"].as_str().expect("a URL");
    assert_eq!(ended["output"], url);
    let file = send(app.http().request(Method::GET, url)).await;
    assert_eq!((file.status, file.text.as_str()), (200, "hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_urls_in_an_output_become_files_at_whatever_depth() {
    let app = TestApp::with(options("url")).await;
    let created = app.create(json!({"version": "acme/packer", "input": {}})).await;
    let output = app.wait_ended(&created).await["output"].clone();
    assert_eq!(output[1], "data: is what a sentence may begin with, too");
    let mut served = Vec::new();
    for url in [&output[0]["image"], &output[0]["notes"][0], &output[0]["notes"][1]["deep"]] {
        let reply = send(app.http().request(Method::GET, url.as_str().expect("a URL"))).await;
        served.push(format!("{} {} {}", reply.status, reply.header("content-type"), reply.text));
    }
    let expected =
        ["200 image/png image", "200 text/plain; charset=utf-8 one", "200 text/plain; charset=utf-8 two"];
    assert_eq!(served, expected);
    assert_eq!(app.stored_files(), 3, "names that are the same do not collide");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_data_urls_stay_for_clients_on_plain_http() {
    let app = TestApp::with(options("auto")).await;
    let created = app.create(json!({"version": "acme/packer", "input": {}})).await;
    let output = app.wait_ended(&created).await["output"].clone();
    assert_eq!(output[0]["image"], "data:image/png;base64,aW1hZ2U=");
    assert_eq!(app.stored_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_file_stays_until_the_webhook_about_it_is_sent() {
    let app = TestApp::with(options("url")).await;
    app.receiver.always(Behaviour::Hang);
    let created = app.create(app.with_webhook(json!({"version": "acme/painter", "input": {}}))).await;
    let url = app.wait_ended(&created).await["output"].as_str().expect("a URL").to_owned();
    let other = app.create(json!({"version": "acme/painter", "input": {}})).await;
    app.wait_ended(&other).await;
    app.receiver.wait_for(1).await;
    app.receiver.always(Behaviour::Answer(200));
    app.advance(7 * DAY);
    app.wait_removed(&other).await;
    let hook = app.receiver.wait_for(2).await.pop().expect("the second attempt").json();
    assert_eq!(hook["output"], Value::from(url.clone()));
    app.wait_removed(&created).await;
    assert_eq!(send(app.http().request(Method::GET, &url)).await.status, 404);
    assert_eq!(app.stored_files(), 0);
}
