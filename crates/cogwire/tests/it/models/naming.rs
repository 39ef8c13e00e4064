//! Models that a server is told about when it starts.

use serde_json::json;

use super::folder::Folder;
use super::site::{Site, ZOO};
use super::spoken::said;
use crate::harness::{Http, Log, Process, TOKEN, cogwire, output};

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_named_is_there_when_the_server_is_ready() {
    let mut site = Site::with_zoo(&[]).await;
    let (first, folder) = (site.latest(ZOO).await, Folder::zoo());
    let named = format!("{ZOO}={}", folder.path().display());
    site.reconfigure(&["--model", &named]);
    site.restart().await;
    assert_eq!(site.latest(ZOO).await, first, "it was there before");
    let folder = folder.with("notes.txt", "more");
    site.restart().await;
    let second = site.latest(ZOO).await;
    assert_ne!(second, first);
    assert_eq!(site.run(json!({"text": "Bob"})).await["output"], "hello Bob");
    drop(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_model_is_broken_says_why_and_keeps_its_token() {
    let site = Site::prepare(&[]).await;
    let folder = Folder::new().with("cog.yaml", "predict: \"predict.py:Predictor\"\n");
    let place = folder.path().to_str().expect("text");
    let mut serve = site.serve();
    serve.env_remove("COGWIRE_API_TOKEN").args(["--model", place]);
    let ended = output(serve).await;
    assert_eq!(ended.status.code(), Some(1));
    let sentences: Vec<String> =
        said(&ended).lines().filter(|line| line.starts_with("error")).map(str::to_owned).collect();
    insta::assert_snapshot!("broken_named_model", sentences.join("\n").replace(place, "FOLDER"));

    let mut serve = site.serve();
    serve.env_remove("COGWIRE_API_TOKEN");
    let _server = Process::start_as(serve).await;
    let mut list = cogwire();
    list.args(["model", "ls", "--data-dir"]).arg(site.data_dir());
    let listed = output(list).await;
    assert!(listed.status.success(), "the first start kept the token: {}", said(&listed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_while_a_model_is_added_stops() {
    let site = Site::prepare(&[]).await;
    let (begun, folder) = (site.gate("begun"), Folder::zoo());
    let code = format!("open({:?}, 'w')\nimport time\ntime.sleep(1000)\n", begun.path());
    let folder = folder.with("predict.py", &code);
    let mut serve = site.serve();
    serve.args(["--model", folder.path().to_str().expect("text")]);
    let nobody = Http::new("http://127.0.0.1:1".to_owned(), TOKEN.to_owned());
    let mut server = Process::spawn(serve, nobody, Log::default());
    begun.wait_open().await;
    server.terminate();
    assert!(server.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_kept_is_said_before_the_server_gives_up() {
    let site = Site::prepare(&["--public-url", "https://models.example.com"]).await;
    let mut serve = site.serve();
    serve.env_remove("COGWIRE_API_TOKEN").args(["--model", "/nonexistent"]);
    let ended = output(serve).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(said(&ended).contains("The API token, which is not shown again: r8_"), "{}", said(&ended));
}
