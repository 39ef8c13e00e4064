//! A model for a Cog from before it had workers: added, run, crashed and stopped like any other.

use std::time::Duration;

use serde_json::json;

use super::folder::Folder;
use super::processes::wait_gone;
use super::site::{Site, ZOO, text};

const CONFIG: &str = "build:\n  python_packages:\n    - cog==0.16.12\npredict: predict.py:Predictor\n\
    train: predict.py:train\n";

const CODE: &str = r#"
import ctypes
import os
import subprocess
import time

from cog import BaseModel, BasePredictor, Input, Path


class Predictor(BasePredictor):
    def setup(self):
        print("loading", flush=True)

    def predict(
        self,
        act: str = Input(description="What to do", choices=["greets", "waits", "crashes", "leaves"], default="greets"),
        text: str = Input(description="With what", default=""),
        file: Path = Input(description="A file", default=None),
    ) -> Path:
        print("doing it", flush=True)
        if act == "waits":
            open(text + ".begun", "x").close()
            while not os.path.exists(text):
                time.sleep(0.005)
        if act == "crashes":
            ctypes.string_at(0)
        if act == "leaves":
            text = str(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid)
        path = Path(os.environ["TMPDIR"]) / "greeting.txt"
        path.write_text(f"hello {text}{file.read_text() if file else ''}")
        return path


class TrainingOutput(BaseModel):
    weights: Path


def train(steps: int = Input(description="How many")) -> TrainingOutput:
    return TrainingOutput(weights=Path("weights"))
"#;

fn folder() -> Folder {
    Folder::new().with("cog.yaml", CONFIG).with("predict.py", CODE)
}

/// Such a server may keep the first line of a log to itself until there is another.
async fn wait_begun(site: &Site, gate: &str) {
    let begun = format!("{}.begun", site.gate(gate).path());
    let there = async {
        while !std::path::Path::new(&begun).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), there).await.expect("the model is called");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_for_an_old_cog_is_added_and_run() {
    let mut site = Site::start(&["--output-files", "url"]).await;
    let added = site.add(&folder(), ZOO).await;
    let version = added.version();
    assert!(added.lines("log").contains(&"loading"), "{:?}", added.lines("log"));
    assert_eq!(
        added.lines("warning"),
        ["train is ignored: Cog 0.16.12 cannot train here, use Cog 0.17 or newer"]
    );
    let registered = site.http().get(&format!("/v1/models/{ZOO}/versions/{version}")).await.expect(200);
    assert_eq!(registered["cog_version"], "0.16.12");
    let inputs = &registered["openapi_schema"]["components"]["schemas"]["Input"]["properties"];
    assert_eq!(inputs["text"]["description"], "With what");

    let ended = site.run(json!({"text": "Alice", "file": "data:text/plain;base64,IGFuZCBCb2I="})).await;
    assert_eq!((&ended["status"], text(&ended["logs"])), (&json!("succeeded"), "doing it\n"), "{ended}");
    let file = site.http().get(text(&ended["output"])).await;
    assert_eq!((file.status, file.text.as_str()), (200, "hello Alice and Bob"));
    assert_eq!(site.told(&ended).await["output"], ended["output"]);

    site.restart().await;
    let again = site.run(json!({})).await;
    assert_eq!(again["status"], "succeeded", "{again}");
    site.create(json!({"act": "waits", "text": site.gate("never").path()})).await;
    let process = site.only_process().await;
    wait_begun(&site, "never").await;
    site.kill();
    tokio::time::timeout(Duration::from_secs(5), wait_gone(process)).await.expect("it goes along");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_for_an_old_cog_crashes_is_cancelled_and_stops_like_any_other() {
    let site = Site::start(&["--idle-timeout", "300ms"]).await;
    site.add(&folder(), ZOO).await.version();
    let crashed = site.run(json!({"act": "crashes"})).await;
    let told =
        "The model process was killed (signal 11, SIGSEGV). A native library of the model has crashed.";
    assert_eq!(crashed["error"], told);
    assert_eq!(site.told(&crashed).await["error"], told);

    let running = site.create(json!({"act": "waits", "text": site.gate("never").path()})).await;
    wait_begun(&site, "never").await;
    assert_eq!(site.cancel(&running).await["status"], "canceled");
    let left = site.run(json!({"act": "leaves"})).await;
    assert_eq!(left["status"], "succeeded", "{left}");
    let process = site.only_process().await;
    wait_gone(process).await;
}
