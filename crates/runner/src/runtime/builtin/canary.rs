//! `replicate/canary`: says hello in three pieces, as a stream of text.

use cogwire_core::json::Json;
use serde_json::{Map, Value, json};

use super::{Facts, produced_text, text_of};
use crate::event::{End, Output};
use crate::reporter::{Reporter, Stopped};
use crate::schema;

pub(super) const FACTS: Facts = Facts {
    name: "replicate/canary",
    versions: &["30e22229542eb3f79d4f945dacb58d32001b02cc313ae6f54eef27904edf3272"],
    description: "Streams a greeting, piece by piece",
};

pub(super) fn schema() -> Json {
    let text = json!({"type": "string", "title": "Text", "x-order": 0,
        "description": "Text to prefix with 'hello there, '"});
    let input =
        json!({"type": "object", "title": "Input", "required": ["text"], "properties": {"text": text}});
    schema::document(&input, &schema::iterator_output(&json!({"type": "string"}), true), Map::new())
}

pub(super) async fn run(input: &Value, reporter: &Reporter) -> Result<End, Stopped> {
    reporter.started().await?;
    for piece in ["hello ", "there, ", text_of(input)] {
        reporter.output(Output::Item(produced_text(piece))).await?;
    }
    Ok(End::Succeeded)
}
