//! OpenAPI documents shaped like those that Cog makes, for models that are not made with Cog.
//!
//! Owns the frame around a model's `Input` and `Output`. Clients read `components.schemas`; the rest is there because
//! code generators refuse a document whose references do not resolve.

use cogwire_core::json::Json;
use serde_json::{Map, Value, json};

/// What `cog_version` says for a model that has none.
pub const NOT_COG: &str = concat!("cogwire ", env!("CARGO_PKG_VERSION"));

/// The component names that [`document`] uses itself.
pub(crate) const OWN_COMPONENTS: [&str; 5] =
    ["Input", "Output", "PredictionRequest", "PredictionResponse", "Status"];

/// The schema of a text that a model returns at once.
pub(crate) fn text_output() -> Value {
    json!({"type": "string", "title": "Output"})
}

/// The schema of a list that arrives item by item; `concatenate` when the items are pieces of one text.
pub(crate) fn iterator_output(items: &Value, concatenate: bool) -> Value {
    let mut output =
        json!({"type": "array", "title": "Output", "items": items, "x-cog-array-type": "iterator"});
    if concatenate {
        output["x-cog-array-display"] = json!("concatenate");
    }
    output
}

/// A reference to another component.
pub(crate) fn reference(component: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{component}")})
}

/// The title that Cog gives to an input: `prompt_strength` becomes `Prompt Strength`.
pub(crate) fn title(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
    };
    name.split('_').filter_map(capital).collect::<Vec<_>>().join(" ")
}

/// A whole document. `others` are the components that `input` and `output` refer to.
pub(crate) fn document(input: &Value, output: &Value, others: Map<String, Value>) -> Json {
    let mut schemas = json!({
        "Input": input,
        "Output": output,
        "PredictionRequest": {
            "type": "object",
            "title": "PredictionRequest",
            "properties": {"input": reference("Input")},
        },
        "PredictionResponse": {
            "type": "object",
            "title": "PredictionResponse",
            "properties": {"status": reference("Status"), "output": reference("Output"),
                "error": {"type": "string", "title": "Error"}, "logs": {"type": "string", "title": "Logs"}},
        },
        "Status": {
            "type": "string",
            "title": "Status",
            "description": "An enumeration.",
            "enum": ["starting", "processing", "succeeded", "canceled", "failed"],
        },
    });
    for (name, schema) in others {
        schemas[name] = schema;
    }
    Json::from_value(&json!({
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {"/": {"get": root_operation()}, "/predictions": {"post": predict_operation()}},
        "components": {"schemas": schemas},
    }))
}

fn root_operation() -> Value {
    json!({"summary": "Root", "operationId": "root__get", "responses": {
        "200": {"description": "Successful Response", "content": {"application/json": {"schema": {}}}}}})
}

fn predict_operation() -> Value {
    let content = |component| json!({"application/json": {"schema": reference(component)}});
    json!({
        "summary": "Predict",
        "operationId": "predict_predictions_post",
        "requestBody": {"content": content("PredictionRequest")},
        "responses": {"200": {"description": "Successful Response", "content": content("PredictionResponse")}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_cogs() {
        assert_eq!(title("prompt"), "Prompt");
        assert_eq!(title("num_inference_steps"), "Num Inference Steps");
        assert_eq!(title("_"), "");
    }

    #[test]
    fn every_reference_resolves() {
        let document = document(&json!({"type": "object"}), &text_output(), Map::new());
        let tree = document.to_value();
        for part in document.as_str().split("\"$ref\":\"").skip(1) {
            let target = part.split('"').next().unwrap_or_default();
            assert!(tree.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
    }
}
