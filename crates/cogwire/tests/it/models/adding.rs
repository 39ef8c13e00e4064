//! How versions come and go, over the API and by the command line.

use serde_json::{Value, json};

use super::added::pack;
use super::folder::Folder;
use super::processes::wait_gone;
use super::site::{Site, ZOO, text};
use super::spoken::{said, without_figures, without_hashes};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_is_the_same_version_and_another_one_becomes_the_latest() {
    let site = Site::start(&[]).await;
    let first = site.add(&Folder::zoo(), ZOO).await.version();
    let changed = site.add(&Folder::zoo().with("notes.txt", "more"), ZOO).await.version();
    assert_ne!(changed, first);
    assert_eq!(site.latest(ZOO).await, changed);
    let of_first = site.create_with(&first, json!({"text": "first"})).await;
    assert_eq!(site.end(&of_first).await["output"], "hello first", "the one before still runs");

    let again = site.add(&Folder::zoo(), ZOO).await;
    assert_eq!(again.version(), first);
    assert_eq!(site.latest(ZOO).await, first, "whoever adds it again wants it");
    let elsewhere = site.add(&Folder::zoo(), "acme/other").await.version();
    assert_ne!(elsewhere, first, "a version is one model's");
    let versions = site.http().get("/v1/models/acme/zoo/versions").await.expect(200);
    assert_eq!(versions["results"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_adds_a_model_is_told_which_file_its_schema_is() {
    let site = Site::start(&[]).await;
    let made = site.add(&Folder::zoo(), ZOO).await;
    let schema = r#"{"components": {"schemas": {"Input": {"type": "object"}, "Output": {}}}}"#;
    let written = site.add(&Folder::zoo().with("openapi_schema.json", schema), "acme/other").await;
    written.version();
    made.version();
    let told = "Taking its schema from openapi_schema.json";
    assert_eq!([made, written].map(|added| added.lines("step").contains(&told)), [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_sees_what_the_server_passes_on_when_it_is_imported_and_when_it_runs() {
    let site = Site::start(&["--model-env", "PIP_NO_INDEX"]).await;
    let code = "import os\nfrom cog import BasePredictor\nFLAG = os.environ['PIP_NO_INDEX']\n\
                class Predictor(BasePredictor):\n    def predict(self) -> str:\n        return 'index: ' + FLAG\n";
    site.add(&Folder::of(code), ZOO).await.version();
    assert_eq!(site.run(json!({})).await["output"], "index: 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_twice_at_once_is_added_once() {
    let site = Site::start(&[]).await;
    let folder = Folder::zoo();
    let (one, other) = tokio::join!(site.add(&folder, ZOO), site.add(&folder, ZOO));
    assert_eq!(one.version(), other.version());
    let versions = site.http().get("/v1/models/acme/zoo/versions").await.expect(200);
    assert_eq!(versions["results"].as_array().map(Vec::len), Some(1));
    assert_eq!(site.run(json!({"text": "both"})).await["output"], "hello both");
}

#[tokio::test(flavor = "multi_thread")]
async fn adding_goes_on_when_whoever_asked_has_gone() {
    let site = Site::start(&[]).await;
    let mut answer = site.begin_upload(pack(Folder::zoo().path()), ZOO).await;
    answer.chunk().await.expect("an answer").expect("its first line");
    drop(answer);
    site.wait_added(ZOO).await;
    assert_eq!(site.run(json!({"text": "all"})).await["output"], "hello all");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_adds_lists_shows_and_removes() {
    let site = Site::start(&[]).await;
    // So that the environment is there, whoever came first.
    site.add(&Folder::zoo(), "acme/other").await.version();
    let folder = Folder::zoo();
    let place = folder.path().to_str().expect("text");
    let mut told = Vec::new();
    for arguments in [
        &["model", "add", place, "--name", ZOO, "--description", "Everything"][..],
        &["model", "ls"],
        &["model", "show", ZOO],
        &["ps"],
        &["run", ZOO, "text=Alice"],
        &["model", "rm", ZOO],
        &["model", "show", ZOO],
        &["model", "schema", "acme/other"],
    ] {
        let output = site.shell(arguments).await;
        let title = format!("$ cogwire {}", arguments.join(" "));
        told.push(format!("{title}\n{}", said(&output)));
    }
    let schema = told.pop().expect("the last one");
    assert!(schema.contains("\"TrainingInput\"") && schema.contains("What to do"), "{schema}");
    insta::assert_snapshot!("command_line", without_figures(&told.join("\n")).replace(place, "FOLDER"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_runs_is_not_removed() {
    let site = Site::with_zoo(&[]).await;
    let (version, gate) = (site.latest(ZOO).await, site.gate("go"));
    let running = site.create(gate.input()).await;
    site.begun(&running).await;
    let refused = site.shell(&["model", "rm", ZOO]).await;
    assert_eq!(refused.status.code(), Some(1));
    insta::assert_snapshot!("removal_while_it_runs", said(&refused));
    gate.open();
    assert_eq!(site.end(&running).await["status"], "succeeded");
    assert!(!site.packages().is_empty(), "it is kept as a folder and in the storage");

    let process = site.only_process().await;
    assert_eq!(site.remove_model(ZOO).await.status, 409, "it has a version");
    assert_eq!(site.remove(ZOO, &version).await.status, 202);
    wait_gone(process).await;
    assert_eq!(site.remove(ZOO, &version).await.status, 404);
    assert_eq!(site.http().get(&format!("/v1/models/{ZOO}/versions/{version}")).await.status, 404);
    assert_eq!(site.end(&running).await["version"], version, "predictions stay");
    assert!(site.packages().is_empty(), "nothing of it is left: {:?}", site.packages());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_finds_models_again() {
    let mut site = Site::with_zoo(&[]).await;
    let version = site.latest(ZOO).await;
    site.restart().await;
    let ended = site.run(json!({"text": "again"})).await;
    assert_eq!((text(&ended["output"]), text(&ended["version"])), ("hello again", version.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_unpacked_can_be_lost_and_what_is_stored_cannot() {
    let mut site = Site::with_zoo(&[]).await;
    let data = site.data_dir();
    site.kill();
    std::fs::remove_dir_all(data.join("models")).expect("removed");
    site.restart().await;
    assert_eq!(site.run(json!({"text": "Alice"})).await["output"], "hello Alice");

    site.kill();
    for folder in ["models", "files/parts"] {
        std::fs::remove_dir_all(data.join(folder)).expect("removed");
    }
    site.restart().await;
    let failed = |all: &[Value]| all.len() == 1 && all[0]["state"] == "failed";
    let instances = site.wait_instances("a model that cannot be prepared", failed).await;
    insta::assert_snapshot!("lost_package", without_hashes(text(&instances[0]["cause"])));
    let waiting = site.create(json!({"text": "Bob"})).await;
    assert_eq!(site.progress(&waiting).await["detail"], "Waiting for a server that runs this version.");
    site.add(&Folder::zoo(), ZOO).await.version();
    assert_eq!(site.end(&waiting).await["output"], "hello Bob", "whoever adds it again brings it back");
}
