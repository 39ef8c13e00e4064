//! Models that behave badly while they run, and inputs that are not what a model takes.

use serde_json::{Value, json};

use super::processes::wait_gone;
use super::site::{Site, ZOO, text};

async fn greets(site: &Site) -> Value {
    let ended = site.run(json!({"text": "still"})).await;
    assert_eq!(ended["output"], "hello still", "{ended}");
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_of_the_wrong_type_are_refused_and_unknown_ones_warned_of() {
    let site = Site::with_zoo(&[]).await;
    let body = |input: Value| json!({"version": ZOO, "input": input});
    for (name, input) in [
        ("text_for_a_number", json!({"count": "many"})),
        ("number_for_a_text", json!({"text": 1})),
        ("number_out_of_range", json!({"count": -1})),
        ("null", json!({"act": null})),
    ] {
        let reply = site.http().post("/v1/predictions", &body(input)).await;
        insta::assert_snapshot!(format!("input_{name}"), format!("{} {}", reply.status, reply.text));
    }
    let reply = site.http().post("/v1/predictions", &body(json!({"text": "Eve", "sead": 1}))).await;
    assert_eq!(
        reply.header("cogwire-warning"),
        "the schema of the version does not declare these inputs: sead"
    );
    let ended = site.end(&reply.expect(201)).await;
    assert_eq!((&ended["output"], &ended["input"]["sead"]), (&json!("hello Eve"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_and_floods_disturb_nobody() {
    let site = Site::with_zoo(&[]).await;
    let process = site.only_process().await;
    let rubbish = site.run(json!({"act": "prints_rubbish"})).await;
    assert_eq!((&rubbish["status"], &rubbish["output"]), (&json!("succeeded"), &json!("said")));
    assert!(text(&rubbish["logs"]).contains("ABC"), "what is text can be read");

    let length = 10 << 20;
    let large = site.run(json!({"act": "talks_much", "count": length})).await;
    assert_eq!(large["output"].as_str().map(str::len), Some(length), "{}", large["error"]);
    let too_large = site.run(json!({"act": "talks_much", "count": 65 << 20})).await;
    assert_eq!(too_large["status"], "failed");
    assert_eq!(too_large["error"], "The model's logs and output are longer than 64 MiB");
    greets(&site).await;
    assert_eq!(site.only_process().await, process, "all of it was said by one process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_dies_fails_its_prediction_and_is_started_again() {
    let site = Site::with_zoo(&[]).await;
    for (act, cause) in [
        ("exits", "The model process exited unexpectedly (exit status 3)."),
        (
            "crashes",
            "The model process was killed (signal 11, SIGSEGV). A native library of the model has crashed.",
        ),
    ] {
        let failed = site.run(json!({"act": act})).await;
        assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &json!(cause)));
        assert_eq!(site.told(&failed).await["error"], cause);
        let has_failed = |all: &[Value]| all.len() == 1 && all[0]["state"] == "failed";
        assert_eq!(site.wait_instances("a failed one", has_failed).await[0]["cause"], cause);
        // A success in between: it is not the model as such that fails.
        greets(&site).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_ignores_a_cancel_is_killed_for_it() {
    let site = Site::with_zoo(&["--cancel-timeout", "300ms"]).await;
    let process = site.only_process().await;
    let stubborn = site.create(json!({"act": "ignores_everything"})).await;
    site.begun(&stubborn).await;
    assert_eq!(site.cancel(&stubborn).await["status"], "canceled");
    wait_gone(process).await;
    assert_eq!(site.told(&stubborn).await["status"], "canceled");
    greets(&site).await;
    assert_ne!(site.only_process().await, process);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_a_model_leaves_behind_go_with_it() {
    let site = Site::with_zoo(&[]).await;
    let processes = site.leave_processes().await;
    let ended = greets(&site).await;
    assert_eq!(site.remove(ZOO, text(&ended["version"])).await.status, 202);
    for process in processes {
        wait_gone(process).await;
    }
}
