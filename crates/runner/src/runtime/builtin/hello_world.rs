//! `replicate/hello-world`: says hello to a text.

use cogwire_core::json::Json;
use serde_json::{Map, Value, json};

use super::{Facts, produced_text, text_of};
use crate::event::{End, Output};
use crate::reporter::{Reporter, Stopped};
use crate::schema;

pub(super) const FACTS: Facts = Facts {
    name: "replicate/hello-world",
    versions: &[
        "9dcd6d78e7c6560c340d916fe32e9f24aabfa331e5cce95fe31f77fb03121426",
        "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa",
    ],
    description: "A tiny model that says hello",
};

pub(super) fn schema() -> Json {
    let text = json!({"type": "string", "title": "Text", "x-order": 0,
        "description": "Text to prefix with 'hello '"});
    let input =
        json!({"type": "object", "title": "Input", "required": ["text"], "properties": {"text": text}});
    schema::document(&input, &schema::text_output(), Map::new())
}

pub(super) async fn run(input: &Value, reporter: &Reporter) -> Result<End, Stopped> {
    reporter.started().await?;
    let greeting = format!("hello {}", text_of(input));
    reporter.output(Output::Value(produced_text(&greeting))).await?;
    Ok(End::Succeeded)
}
