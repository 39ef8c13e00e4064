//! The Files API: what callers upload, name in inputs, and lose after a day.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Http, Options, Reply, TestApp, hello, pause, send};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const BOUNDARY: &str = "a-boundary";
/// A sweep comes every minute.
const SWEEP: Duration = Duration::from_secs(61);

/// One part of a form: its headers, and its bytes.
struct Part(String, Vec<u8>);

fn file(filename: &str, bytes: &[u8]) -> Part {
    Part(
        format!(
            "Content-Disposition: form-data; name=\"content\"; filename=\"{filename}\"\r\nContent-Type: image/png"
        ),
        bytes.to_vec(),
    )
}

fn field(name: &str, value: &str) -> Part {
    Part(format!("Content-Disposition: form-data; name=\"{name}\""), value.as_bytes().to_vec())
}

fn form(parts: &[Part]) -> Vec<u8> {
    let mut body = Vec::new();
    for Part(head, bytes) in parts {
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

async fn post(http: &Http, parts: &[Part]) -> Reply {
    post_body(http, form(parts)).await
}

async fn post_body(http: &Http, body: Vec<u8>) -> Reply {
    let request = http.request(Method::POST, "/v1/files").bearer_auth(&http.token);
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    send(request.header("content-type", content_type).body(body)).await
}

async fn upload(app: &TestApp, filename: &str, text: &str) -> Value {
    post(&app.http(), &[file(filename, text.as_bytes())]).await.expect(201)
}

async fn delete(http: &Http, upload: &Value) -> Reply {
    send(http.request(Method::DELETE, text(&upload["urls"]["get"])).bearer_auth(&http.token)).await
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// With a model that says what it was given.
fn options() -> Options {
    let scripts = r#"
[[model]]
owner = "acme"
name = "echo"
output = "value"
[[model.step]]
output = "{{ input.file }}"
"#;
    Options { scripts: Some(scripts.to_owned()), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_kept_shown_listed_and_deleted() {
    let app = TestApp::start().await;
    let http = app.http();
    let parts = [field("metadata", r#"{"b": 2, "a": {"x": 1.0}}"#), file("cat.png", b"hello")];
    let created = post(&http, &parts).await.expect(201);
    insta::with_settings!({filters => vec![
        (r"[0-9a-f]{64}", "[sha-256]"),
        (r"[0-9a-z]{26}", "[id]"),
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "[time]"),
        (r"http://127\.0\.0\.1:\d+", "[base]"),
        (r"expiry=\d+", "expiry=[seconds]"),
        (r"signature=[^\x22]+", "signature=[signature]"),
    ]}, { insta::assert_json_snapshot!("upload", created) });
    let shown = http.get(text(&created["urls"]["get"])).await.expect(200);
    assert_eq!(shown, created);
    let listed = http.get("/v1/files").await.expect(200);
    assert_eq!(listed, json!({"next": null, "previous": null, "results": [created]}));

    assert_eq!(app.stored_files(), 1);
    let deleted = delete(&http, &created).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_eq!(app.stored_files(), 0);
    for again in [delete(&http, &created).await, http.get(text(&created["urls"]["get"])).await] {
        assert_eq!(again.expect(404), json!({"detail": "File not found", "status": 404}));
    }
    assert_eq!(http.get("/v1/files").await.expect(200)["results"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_lives_for_a_day() {
    let app = TestApp::start().await;
    let created = upload(&app, "cat.png", "hello").await;
    app.advance(DAY - Duration::from_secs(60));
    app.http().get(text(&created["urls"]["get"])).await.expect(200);
    wait_gone(&app, &created).await;
    assert_eq!(app.stored_files(), 0);
}

/// Lets minutes pass until a sweep has taken the upload.
async fn wait_gone(app: &TestApp, upload: &Value) {
    for _ in 0..2000 {
        app.advance(SWEEP);
        if app.http().get(text(&upload["urls"]["get"])).await.status == 404 {
            return;
        }
        pause().await;
    }
    panic!("the upload is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_live_prediction_uses_outlives_its_day() {
    let app = TestApp::with(Options { run_timeout: 10 * DAY, ..options() }).await;
    let (used, other) = (upload(&app, "used.txt", "used").await, upload(&app, "other.txt", "other").await);
    let mut body = app.endless_story();
    body["input"]["file"] = json!([{"deep": used["urls"]["get"]}]);
    let live = app.create(body).await;
    app.wait_for_status(&live, "processing").await;
    app.advance(DAY);
    // The other one goes in the same sweep or before.
    wait_gone(&app, &other).await;
    app.http().get(text(&used["urls"]["get"])).await.expect(200);
    let late = json!({"version": "acme/echo", "input": {"file": used["urls"]["get"]}});
    app.http().post("/v1/predictions", &late).await.expect(422);
    app.cancel(&live).await.expect(200);
    wait_gone(&app, &used).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_download_needs_no_token_and_every_part_of_its_signature() {
    let app = TestApp::start().await;
    let created = upload(&app, "notes é.txt", "hello").await;
    let url = text(&created["urls"]["download"]).to_owned();
    let get = |url: String| send(app.http().request(Method::GET, &url));
    let whole = get(url.clone()).await;
    assert_eq!((whole.status, whole.text.as_str()), (200, "hello"));
    assert_eq!(whole.header("content-type"), "application/octet-stream");
    let range = send(app.http().request(Method::GET, &url).header("range", "bytes=1-3")).await;
    assert_eq!((range.status, range.text.as_str()), (206, "ell"));
    for (part, other) in
        [("owner=cogwire", "owner=me"), ("expiry=1", "expiry=9"), ("signature=", "signature=x"), ("?", "?x")]
    {
        assert!(url.contains(part), "{url}");
        assert_eq!(get(url.replacen(part, other, 1)).await.expect(404)["detail"], "File not found");
    }
    app.advance(DAY);
    assert_eq!(get(url).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_names_an_upload_shows_what_the_caller_wrote() {
    let app = TestApp::with(options()).await;
    let created = upload(&app, "cat.png", "hello").await;
    let base = app.http().base;
    let id = text(&created["id"]);
    for url in
        [text(&created["urls"]["get"]), &format!("{base}/files/{id}"), &format!("{base}/v1/v1/files/{id}")]
    {
        let made = app.create(json!({"version": "acme/echo", "input": {"file": url}})).await;
        let ended = app.wait_ended(&made).await;
        assert_eq!((&ended["input"]["file"], &ended["output"]), (&json!(url), &json!(url)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_names_no_upload_of_the_caller_is_refused() {
    let app = TestApp::with(options()).await;
    let created = upload(&app, "cat.png", "hello").await;
    let url = text(&created["urls"]["get"]);
    let unknown = url.replace(text(&created["id"]), "01hf7yat010000000000000000");
    let input =
        json!({"file": unknown, "more": [url, {"deep": format!("{}/v1/files/none", app.http().base)}]});
    let refused = app.http().post("/v1/predictions", &json!({"version": "acme/echo", "input": input})).await;
    let body = refused.expect(422);
    assert_eq!(body["title"], "Input validation failed");
    let fields: Vec<&str> = body["invalid_fields"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| text(&fault["field"]))
        .collect();
    assert_eq!(fields, ["input.file", "input.more.1.deep"]);
    let ours = app.http().get("/v1/predictions").await.expect(200);
    assert_eq!(ours["results"], json!([]), "nothing was created");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_cannot_be_taken_say_why_and_leave_nothing() {
    let app = TestApp::start().await;
    let long_name = "n".repeat(256);
    let long_text = format!("{{\"a\":\"{}\"}}", "x".repeat(70_000));
    let content = || file("cat.png", b"hello");
    let nameless = || Part("Content-Disposition: form-data; name=\"content\"".to_owned(), b"hello".to_vec());
    let table: Vec<(&str, Vec<Part>)> = vec![
        ("no content", vec![field("filename", "cat.png")]),
        ("no filename", vec![nameless()]),
        ("long filename", vec![file(&long_name, b"hello")]),
        ("late filename", vec![content(), field("filename", "dog.png")]),
        ("two files", vec![content(), content()]),
        ("two types", vec![field("type", "a/b"), field("type", "a/b"), content()]),
        ("no content type", vec![field("type", "picture"), content()]),
        ("metadata is text", vec![content(), field("metadata", "\"text\"")]),
        ("metadata is broken", vec![content(), field("metadata", "{")]),
        ("long metadata", vec![content(), field("metadata", &long_text)]),
        ("unknown part", vec![field("file", "x"), content()]),
    ];
    let mut said = String::new();
    for (name, parts) in table {
        let reply = post(&app.http(), &parts).await;
        said += &format!("{name}: {} {}\n", reply.status, reply.json()["detail"]);
    }
    let mut cut = form(&[content()]);
    cut.truncate(cut.len() - 20);
    let reply = post_body(&app.http(), cut).await;
    said += &format!("cut off: {} {}\n", reply.status, reply.json()["detail"]);
    let reply = app.http().post("/v1/files", &json!({})).await;
    said += &format!("not a form: {} {}\n", reply.status, reply.json()["detail"]);
    insta::assert_snapshot!("refused_uploads", said);
    assert_eq!(app.stored_files(), 0);
    assert_eq!(app.http().get("/v1/files").await.expect(200)["results"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_form_says_goes_before_what_its_parts_are() {
    let app = TestApp::start().await;
    let parts = [field("filename", "../dog.jpg"), field("type", "image/jpeg"), file("cat.png", b"")];
    let created = post(&app.http(), &parts).await.expect(201);
    assert_eq!(
        (&created["name"], &created["content_type"], &created["size"]),
        (&json!("dog.jpg"), &json!("image/jpeg"), &json!(0))
    );
    let same = post(&app.http(), &[file("cat.png", b""), field("filename", "cat.png")]).await.expect(201);
    assert_eq!((&same["name"], &same["content_type"]), (&json!("cat.png"), &json!("image/png")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_more_than_100_mb_is_refused() {
    let app = TestApp::start().await;
    // Nothing but its length is needed to refuse it, and the client sees why although it has more to send.
    let reply = post(&app.http(), &[file("large.bin", &vec![7; (102 << 20) + 1])]).await;
    assert_eq!(reply.expect(413), json!({"detail": "Files must be less than 100MB in size", "status": 413}));
    assert_eq!(app.stored_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_uploads_lead_to_each_other() {
    let app = TestApp::start().await;
    let mut all = Vec::new();
    for number in 0..101 {
        all.insert(0, upload(&app, &format!("{number}.txt"), "x").await["id"].clone());
        // Ids are ordered by the millisecond.
        app.advance(Duration::from_millis(2));
    }
    let ids = |page: &Value| -> Vec<Value> {
        page["results"].as_array().expect("rows").iter().map(|row| row["id"].clone()).collect()
    };
    let first = app.http().get("/v1/files").await.expect(200);
    assert_eq!((ids(&first), &first["previous"]), (all[..100].to_vec(), &Value::Null));
    let second = app.http().get(text(&first["next"])).await.expect(200);
    assert_eq!((ids(&second), &second["next"]), (all[100..].to_vec(), &Value::Null));
    let back = app.http().get(text(&second["previous"])).await.expect(200);
    assert_eq!(ids(&back), all[..100]);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_survive_a_restart() {
    let mut app = TestApp::start().await;
    let created = upload(&app, "cat.png", "hello").await;
    app.restart().await;
    let base = app.http().base;
    let shown = app.http().get(&format!("{base}/v1/files/{}", text(&created["id"]))).await.expect(200);
    assert_eq!(shown["checksums"], created["checksums"]);
    assert_eq!(send(app.http().request(Method::GET, text(&shown["urls"]["download"]))).await.text, "hello");
    // A prediction that has ended keeps nothing.
    app.wait_ended(&app.create(hello("Alice")).await).await;
}
