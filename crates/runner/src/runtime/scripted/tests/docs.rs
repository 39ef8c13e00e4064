//! The examples of `docs/SCRIPTS.md` and the model of `cogwire demo` are scripts that load and play.

use serde_json::json;
use tempfile::TempDir;

use crate::testing::{Harness, TestClock, all_events, lines};
use crate::{End, RunEvent, RunnableModel, Scripts};

const SCRIPTS_MD: &str = include_str!("../../../../../../docs/SCRIPTS.md");
const DEMO: &str = include_str!("../../../../../cogwire/assets/demo.toml");

/// How often a run that hangs is given the chance to do something else before it is cancelled.
const PATIENCE: usize = 10_000;

/// The contents of the fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    SCRIPTS_MD.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Every example, loaded from a folder that holds the files which they name.
fn examples() -> (TempDir, Vec<RunnableModel>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cat.png"), b"not really").unwrap();
    std::fs::write(folder.path().join("schema.json"), blocks("json")[0]).unwrap();
    let write = |(index, text): (usize, &&str)| {
        let path = folder.path().join(format!("example{index}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    };
    let paths: Vec<_> = blocks("toml").iter().enumerate().map(write).collect();
    let models = Scripts::load(&paths).unwrap_or_else(|error| panic!("{error}")).into_models();
    (folder, models)
}

#[tokio::test]
async fn every_example_plays_without_a_script_error() {
    let (_folder, models) = examples();
    assert_eq!(models.len(), 9);
    for model in models {
        let name = model.entry().model.clone();
        let harness = Harness::new(vec![model], TestClock::jumping());
        let run = harness.start(&json!({"name": "Alice", "prompt": "a cat"}));
        let events = harness.tracker.spawn(all_events(run));
        for _ in 0..PATIENCE {
            tokio::task::yield_now().await;
        }
        harness.cancel.cancel();
        let expected = if name.name() == "stuck" { End::Canceled } else { End::Succeeded };
        assert_eq!(events.await.unwrap().last(), Some(&RunEvent::Ended(expected)), "{name}");
    }
}

#[tokio::test]
async fn the_demo_takes_two_seconds_and_tells_its_story() {
    let models = Scripts::parse("demo.toml", DEMO).unwrap_or_else(|error| panic!("{error}")).into_models();
    assert_eq!(models[0].entry().model.as_str(), "acme/storyteller");
    let harness = Harness::new(models, TestClock::jumping());
    let said = lines(&all_events(harness.start(&json!({"prompt": "a fox"}))).await);
    let total: u128 = harness.clock.slept_ms().iter().sum();
    assert!((2000..=2500).contains(&total), "{total} ms");
    assert_eq!(said.iter().filter(|line| line.starts_with("item")).count(), 12);
    assert_eq!(said[3], r#"item "there was a fox. ""#);
    assert_eq!(said[said.len() - 2..], ["metric pieces 12", "succeeded"]);
}
