//! Files that models make and callers send.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Options, TestApp, send};

const PICTURE: &str = r#"
[[model]]
owner = "acme"
name = "painter"
output = "value"
[[model.step]]
output_file = "picture.png"

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
