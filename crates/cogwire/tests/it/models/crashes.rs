//! Servers that are killed or told to stop while models run.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::added::{Added, pack};
use super::folder::Folder;
use super::processes::wait_gone;
use super::site::{Site, ZOO, text};
use crate::harness::read;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_takes_its_models_along() {
    let mut site = Site::with_zoo(&[]).await;
    let processes = site.leave_processes().await;
    let running = site.create(site.gate("never").input()).await;
    site.begun(&running).await;
    let waiting = site.create(json!({"text": "Carol"})).await;
    site.kill();
    let gone = join_all(processes.into_iter().map(wait_gone));
    tokio::time::timeout(Duration::from_secs(2), gone).await.expect("they are gone within 2 s");

    site.restart().await;
    let interrupted = site.end(&running).await;
    assert_eq!(interrupted["status"], "failed");
    assert!(
        interrupted["error"].as_str().is_some_and(|error| error.contains("interrupted")),
        "{interrupted}"
    );
    assert_eq!(site.told(&running).await["status"], "failed");
    assert_eq!(site.end(&waiting).await["output"], "hello Carol");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_lets_a_run_finish_and_leaves_nothing_behind() {
    let mut site = Site::with_zoo(&[]).await;
    let (process, gate) = (site.only_process().await, site.gate("go"));
    let running = site.create(gate.input()).await;
    site.begun(&running).await;
    let waiting = site.create(json!({"text": "Dave"})).await;
    site.terminate();
    gate.open();
    assert!(site.ended().await.success());
    wait_gone(process).await;
    let left = std::fs::read_dir(site.data_dir().join("work")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "files in the folder for work");
    assert_eq!(site.told(&running).await["output"], "waited");

    site.restart().await;
    assert_eq!(site.end(&running).await["output"], "waited");
    assert_eq!(site.end(&waiting).await["output"], "hello Dave");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_outlasts_the_grace_period_is_interrupted() {
    let mut site = Site::with_zoo(&["--drain-timeout", "300ms"]).await;
    let process = site.only_process().await;
    let running = site.create(site.gate("never").input()).await;
    site.begun(&running).await;
    site.terminate();
    assert!(site.ended().await.success());
    wait_gone(process).await;

    site.restart().await;
    let interrupted = site.end(&running).await;
    assert!(text(&interrupted["error"]).contains("interrupted"), "{interrupted}");
    assert_eq!(site.told(&running).await["status"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn adding_that_is_cut_off_by_a_stop_says_so_and_leaves_nothing_behind() {
    let mut site = Site::start(&[]).await;
    let gate = site.gate("never");
    let tar = pack(Folder::zoo_with(&[("GATE", gate.path())]).path());
    let answer = site.begin_upload(tar, ZOO).await;
    let process = site.process_at(&gate).await;
    site.terminate();
    let added = Added::read(&read(answer).await);
    assert_eq!(added.refusal(), "the server is stopping: try again when it has started");
    assert!(site.ended().await.success());
    wait_gone(process).await;

    site.restart().await;
    assert_eq!(site.http().get("/v1/models/acme/zoo").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn adding_that_is_cut_off_by_a_kill_can_be_done_again() {
    let mut site = Site::start(&[]).await;
    let gate = site.gate("go");
    let folder = Folder::zoo_with(&[("GATE", gate.path())]);
    let _answer = site.begin_upload(pack(folder.path()), ZOO).await;
    let process = site.process_at(&gate).await;
    site.kill();
    wait_gone(process).await;

    site.restart().await;
    assert_eq!(site.http().get("/v1/models/acme/zoo").await.status, 404);
    gate.open();
    site.add(&folder, ZOO).await.version();
    assert_eq!(site.run(json!({"text": "Erin"})).await["output"], "hello Erin");
}
