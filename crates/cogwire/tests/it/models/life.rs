//! When processes come and go, who waits for them, and who is next.

use serde_json::{Value, json};

use super::folder::Folder;
use super::processes::wait_gone;
use super::site::{Site, ZOO, text};

/// A model that does other things while it waits.
const PATIENT: &str = r#"
import asyncio
import os

from cog import BasePredictor


class Predictor(BasePredictor):
    async def predict(self, gate: str) -> str:
        print(f"waiting for {gate}", flush=True)
        while not os.path.exists(gate):
            await asyncio.sleep(0.005)
        return gate
"#;

async fn number(site: &Site, model: &str) -> u64 {
    let created = site.create_with(model, json!({"act": "says_its_number"})).await;
    text(&site.end(&created).await["output"]).parse().expect("a number")
}

fn of_model(instances: &[Value], model: &str) -> Vec<u64> {
    let own = instances.iter().filter(|instance| instance["model"] == model);
    own.filter_map(|instance| instance["pid"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_work_is_stopped_unless_it_is_to_be_kept() {
    let site = Site::start(&["--idle-timeout", "200ms", "--instances", "acme/kept=1..1"]).await;
    for model in [ZOO, "acme/kept"] {
        site.add(&Folder::zoo(), model).await.version();
    }
    let (stopped, kept) = (number(&site, ZOO).await, number(&site, "acme/kept").await);
    site.wait_instances("the end of the idle one", |all| of_model(all, ZOO).is_empty()).await;
    wait_gone(stopped).await;
    let started = number(&site, ZOO).await;
    assert_ne!(started, stopped, "the next prediction starts it again");
    let left = site.wait_instances("its end", |all| of_model(all, ZOO).is_empty()).await;
    assert_eq!(of_model(&left, "acme/kept"), [kept]);

    std::process::Command::new("kill").args(["-9", &kept.to_string()]).status().expect("kill runs");
    let replaced = |all: &[Value]| of_model(all, "acme/kept").iter().any(|process| *process != kept);
    site.wait_instances("another one in its place", replaced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn predictions_for_one_slot_wait_in_the_order_of_their_creation() {
    let site = Site::with_zoo(&[]).await;
    let (gate, notes) = (site.gate("go"), site.gate("notes"));
    let note = |line: usize| json!({"act": "takes_note", "text": format!("{}|{line}", notes.path())});
    let first = site.create(gate.input()).await;
    site.begun(&first).await;
    let mut created = Vec::new();
    for line in 0..3 {
        created.push(site.create(note(line)).await);
        let progress = site.progress(&created[line]).await;
        assert_eq!((&progress["phase"], &progress["ahead"]), (&json!("queued"), &json!(line)), "{progress}");
    }
    insta::assert_snapshot!("progress_of_the_third", site.progress(&created[2]).await);
    gate.open();
    // The slot becomes free again and again while these are created.
    for line in 3..60 {
        created.push(site.create(note(line)).await);
    }
    for prediction in &created {
        assert_eq!(site.end(prediction).await["status"], "succeeded");
    }
    let order: Vec<usize> = std::fs::read_to_string(notes.path())
        .expect("notes")
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect();
    assert_eq!(order, (0..60).collect::<Vec<_>>());
    assert_eq!(site.progress(&first).await["phase"], "ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_with_several_slots_runs_as_many_at_once() {
    let site = Site::start(&[]).await;
    let folder = Folder::of(PATIENT).with_config("concurrency:\n  max: 2\n");
    site.add(&folder, ZOO).await.version();
    let gates = ["a", "b", "c"].map(|name| site.gate(name));
    let mut created = Vec::new();
    for gate in &gates {
        created.push(site.create(json!({"gate": gate.path()})).await);
    }
    for (prediction, gate) in created.iter().zip(&gates).take(2) {
        let begun = site.begun(prediction).await;
        assert_eq!(begun["logs"], format!("waiting for {}\n", gate.path()), "its own log and no other");
    }
    let instances = site.wait_instances("one instance", |all| all.len() == 1).await;
    assert_eq!((&instances[0]["busy"], &instances[0]["slots"]), (&json!(2), &json!(2)));
    assert_eq!(site.progress(&created[2]).await["phase"], "queued");
    gates[1].open();
    assert_eq!(site.end(&created[1]).await["output"], gates[1].path());
    site.begun(&created[2]).await;
    gates[0].open();
    gates[2].open();
    for prediction in &created {
        assert_eq!(site.end(prediction).await["status"], "succeeded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_a_start_is_can_be_seen() {
    let site = Site::start(&["--idle-timeout", "100ms"]).await;
    let (gate, go) = (site.gate("gate"), site.gate("go"));
    gate.open();
    let folder = Folder::zoo_with(&[("GATE", gate.path())]);
    site.add(&folder, ZOO).await.version();
    site.wait_instances("no instance", <[Value]>::is_empty).await;
    gate.close();
    let created = site.create(go.input()).await;
    let boots = |now: &Value| now["phase"] == "booting" && now["last_line"] == "waiting at the gate";
    let progress = site.wait_progress(&created, "a start", boots).await;
    assert!(text(&progress["detail"]).starts_with("The model is starting, for "), "{progress}");
    let instances = site.wait_instances("one that starts", |all| all.len() == 1).await;
    assert_eq!(
        (&instances[0]["state"], &instances[0]["setup_logs"]),
        (&json!("starting"), &json!("waiting at the gate\n"))
    );
    gate.open();
    site.wait_progress(&created, "a run", |now| now["phase"] == "running").await;
    go.open();
    assert_eq!(site.end(&created).await["output"], "waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prediction_can_be_cancelled_while_its_model_starts() {
    let site = Site::start(&["--idle-timeout", "100ms"]).await;
    let gate = site.gate("gate");
    gate.open();
    site.add(&Folder::zoo_with(&[("GATE", gate.path())]), ZOO).await.version();
    site.wait_instances("no instance", <[Value]>::is_empty).await;
    gate.close();
    let created = site.create(json!({})).await;
    site.wait_progress(&created, "a start", |now| now["last_line"] == "waiting at the gate").await;
    assert_eq!(site.cancel(&created).await["status"], "canceled");
    assert_eq!(site.told(&created).await["status"], "canceled");
    let next = site.create(json!({"text": "next"})).await;
    gate.open();
    assert_eq!(site.end(&next).await["output"], "hello next");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_or_hangs_fails_its_prediction_and_shows_what_was_printed() {
    let site = Site::start(&["--idle-timeout", "100ms", "--setup-timeout", "3s"]).await;
    let (gate, trap) = (site.gate("gate"), site.gate("trap"));
    gate.open();
    let folder = Folder::zoo_with(&[("GATE", gate.path()), ("TRAP", trap.path())]);
    site.add(&folder, ZOO).await.version();
    site.wait_instances("no instance", <[Value]>::is_empty).await;
    trap.open();
    let failed = site.run(json!({})).await;
    assert_eq!(failed["error"], "The model's setup failed: RuntimeError: The trap has shut");
    assert!(
        text(&failed["logs"]).starts_with("waiting at the gate\nTraceback (most recent call last):\n"),
        "{failed}"
    );
    assert_eq!(site.told(&failed).await["error"], failed["error"]);

    trap.close();
    gate.close();
    let late = site.run(json!({})).await;
    assert_eq!(
        late["error"],
        "The model was not ready after 3 s: make its setup faster, or raise setup_timeout (--setup-timeout)"
    );
    assert_eq!(late["logs"], "waiting at the gate\n");
    assert_eq!(site.told(&late).await["error"], late["error"]);

    gate.open();
    assert_eq!(site.run(json!({"text": "again"})).await["output"], "hello again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prediction_that_is_cancelled_stops_and_its_process_stays() {
    let site = Site::with_zoo(&[]).await;
    let process = site.only_process().await;
    let (running, waiting) = (site.create(site.gate("never").input()).await, site.create(json!({})).await);
    site.begun(&running).await;
    let canceled = site.cancel(&running).await;
    assert_eq!((&canceled["status"], &canceled["logs"]), (&json!("canceled"), &json!("waiting\n")));
    assert_eq!(site.told(&running).await["status"], "canceled");
    assert_eq!(site.end(&waiting).await["status"], "succeeded");
    assert_eq!(number(&site, ZOO).await, process);
}
