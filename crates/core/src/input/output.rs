//! What a version gives: one value, a list, or a list that grows while the model runs.

use serde_json::Value;

use super::{parts, resolve};
use crate::json::Json;

/// The form of a version's output, read from `components.schemas.Output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputForm {
    /// One value, given at the end. Also for a version that says nothing about its output.
    Value,
    /// A list, given at the end.
    List,
    /// A list that grows item by item.
    Iterator,
    /// A list of texts that grows and is meant to be read as one text.
    Concatenate,
}

impl OutputForm {
    /// Reads the form from the version's OpenAPI document.
    pub fn of(openapi_schema: &Json) -> Self {
        let document = openapi_schema.to_value();
        let (schemas, output) = output_of(&document);
        let parts = parts(schemas, output);
        let says = |key: &str, value: &str| parts.iter().any(|part| part[key] == value);
        if says("x-cog-array-display", "concatenate") {
            Self::Concatenate
        } else if says("x-cog-array-type", "iterator") {
            Self::Iterator
        } else if says("type", "array") {
            Self::List
        } else {
            Self::Value
        }
    }

    /// Whether the output, or each item of it, is a file.
    pub fn is_file(openapi_schema: &Json) -> bool {
        let document = openapi_schema.to_value();
        let (schemas, output) = output_of(&document);
        is_uri(schemas, output)
    }
}

/// Whether a schema, or that of its items, says `format: uri`.
pub(super) fn is_uri(schemas: &Value, schema: &Value) -> bool {
    let has_format = |schema: &Value| parts(schemas, schema).iter().any(|part| part["format"] == "uri");
    has_format(schema) || parts(schemas, schema).iter().any(|part| has_format(&part["items"]))
}

fn output_of(document: &Value) -> (&Value, &Value) {
    let schemas = &document["components"]["schemas"];
    (schemas, resolve(schemas, &schemas["Output"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_are_read() {
        let cases = [
            (json!({"type": "string"}), OutputForm::Value, false),
            (json!({"type": "string", "format": "uri"}), OutputForm::Value, true),
            (json!({"type": "string", "format": "uri", "nullable": true}), OutputForm::Value, true),
            (
                json!({"anyOf": [{"type": "string", "format": "uri"}, {"type": "null"}]}),
                OutputForm::Value,
                true,
            ),
            (json!({"type": "array", "items": {"type": "string", "format": "uri"}}), OutputForm::List, true),
            (
                json!({"type": "array", "items": {"$ref": "#/components/schemas/File"}}),
                OutputForm::List,
                true,
            ),
            (
                json!({"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}),
                OutputForm::Iterator,
                false,
            ),
            (
                json!({"type": "array", "x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"}),
                OutputForm::Concatenate,
                false,
            ),
            (json!({"allOf": [{"$ref": "#/components/schemas/File"}]}), OutputForm::Value, true),
            (json!({"$ref": "#/components/schemas/Output"}), OutputForm::Value, false),
            (json!(7), OutputForm::Value, false),
        ];
        for (output, form, is_file) in cases {
            let file = json!({"type": "string", "format": "uri"});
            let document =
                Json::from_value(&json!({"components": {"schemas": {"Output": output, "File": file}}}));
            assert_eq!(OutputForm::of(&document), form, "for {output}");
            assert_eq!(OutputForm::is_file(&document), is_file, "for {output}");
        }
        assert_eq!(OutputForm::of(&Json::null()), OutputForm::Value);
        assert!(!OutputForm::is_file(&Json::object()));
    }
}
