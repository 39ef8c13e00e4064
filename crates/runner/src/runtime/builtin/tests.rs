use serde_json::json;

use super::*;
use crate::testing::{Harness, TestClock, all_events, end_of, lines};

const HELLO: &str = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa";
const CANARY: &str = "30e22229542eb3f79d4f945dacb58d32001b02cc313ae6f54eef27904edf3272";
const CHAOS: &str = "0098011f5f482d1fcdbbba44ef1d6d22858e439a103b6ebb449ef9dec623a71e";

async fn run(harness: &Harness, version: &str, input: Value) -> Vec<String> {
    lines(&all_events(harness.start_version(version.parse().unwrap(), &input)).await)
}

#[tokio::test]
async fn what_each_model_says() {
    let harness = Harness::new(models(), TestClock::jumping());
    let text = json!({"text": "Alice"});
    assert_eq!(run(&harness, HELLO, text.clone()).await, ["started", r#"value "hello Alice""#, "succeeded"]);
    assert_eq!(
        run(&harness, CANARY, text).await,
        ["started", r#"item "hello ""#, r#"item "there, ""#, r#"item "Alice""#, "succeeded"]
    );
    assert_eq!(harness.clock.slept_ms(), [], "neither awaits a timer");
}

#[tokio::test]
async fn chaos_has_four_outcomes() {
    let harness = Harness::new(models(), TestClock::jumping());
    let cases = [
        (json!({}), r#"value {"result":{"outcome":"success","slept":0}}"#, "succeeded"),
        (json!({"outcome": "failure"}), "", "failed: The chaos monkey failed, as it was asked to."),
        (json!({"outcome": "crash"}), "", "failed: The model process exited unexpectedly (exit status 137)."),
    ];
    for (input, output, end) in cases {
        let said = run(&harness, CHAOS, input).await;
        assert_eq!(said.last().map(String::as_str), Some(end));
        assert_eq!(said.iter().find(|line| line.starts_with("value")).map_or("", String::as_str), output);
    }
    let hanging = harness.start_version(CHAOS.parse().unwrap(), &json!({"outcome": "hang"}));
    harness.cancel.cancel();
    assert_eq!(end_of(hanging).await, End::Canceled);
}

#[tokio::test]
async fn chaos_sleeps_on_the_clock_and_logs_while_it_sleeps() {
    let harness = Harness::new(models(), TestClock::jumping());
    let said = run(&harness, CHAOS, json!({"sleep": 2.5})).await;
    assert_eq!(harness.clock.slept_ms(), [1000, 1000, 500]);
    assert_eq!(
        said[..5],
        [
            "started",
            r#"log "Sleeping for 2.5 s, then: success.\n""#,
            r#"log "Slept 1 s of 2.5 s.\n""#,
            r#"log "Slept 2 s of 2.5 s.\n""#,
            r#"log "Slept 2.5 s of 2.5 s.\n""#,
        ]
    );
}

#[test]
fn schemas_look_like_cogs() {
    let schemas = |version: &str| {
        let models = models();
        let serves = |model: &&RunnableModel| model.entry.versions.iter().any(|id| id.as_str() == version);
        models.iter().find(serves).unwrap().entry.openapi_schema.to_value()["components"]["schemas"].clone()
    };
    let hello = schemas(HELLO);
    assert_eq!(hello["Output"], json!({"type": "string", "title": "Output"}));
    assert_eq!(
        hello["Input"],
        json!({"type": "object", "title": "Input", "required": ["text"], "properties": {"text": {
            "x-order": 0, "type": "string", "title": "Text", "description": "Text to prefix with 'hello '"}}})
    );
    assert_eq!(schemas(CANARY)["Output"]["x-cog-array-display"], "concatenate");
    let chaos = schemas(CHAOS);
    assert_eq!(chaos["Input"]["properties"]["outcome"]["allOf"][0]["$ref"], "#/components/schemas/outcome");
    assert_eq!(chaos["outcome"]["enum"], json!(["success", "failure", "crash", "hang"]));
    assert_eq!(chaos["ChaosResult"]["required"], json!(["result"]));
}
