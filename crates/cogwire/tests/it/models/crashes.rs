//! Servers that are killed or told to stop while models run.

use serde_json::json;

use super::site::{Site, text, wait_gone};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_takes_its_models_along() {
    let mut site = Site::with_zoo(&[]).await;
    let processes = site.leave_processes().await;
    let running = site.create(site.gate("never").input()).await;
    site.begun(&running).await;
    let waiting = site.create(json!({"text": "Carol"})).await;
    site.kill();
    for process in processes {
        wait_gone(process).await;
    }

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
