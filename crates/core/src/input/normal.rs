//! OpenAPI 3.0 schemas, rewritten into what a JSON Schema validator understands.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

const REFERENCE: &str = "#/components/schemas/";

/// Keywords whose value is a schema.
const ONE: [&str; 5] = ["items", "additionalProperties", "not", "contains", "propertyNames"];
/// Keywords whose value is a list of schemas. `items` may be one, too.
const LIST: [&str; 5] = ["allOf", "anyOf", "oneOf", "items", "prefixItems"];
/// Keywords whose value has a schema under each name.
const NAMED: [&str; 4] = ["properties", "patternProperties", "definitions", "$defs"];

const LONGEST_CHAIN: usize = 64;

/// Rewrites a schema and all that it contains. What is no schema (a default, an example, an enumeration) is left alone.
pub(super) fn normalise(schema: &mut Value) {
    let Value::Object(keywords) = schema else { return };
    for (keyword, value) in keywords.iter_mut() {
        normalise_keyword(keyword, value);
    }
    make_numeric(keywords, "minimum", "exclusiveMinimum");
    make_numeric(keywords, "maximum", "exclusiveMaximum");
    if keywords.remove("nullable") == Some(Value::Bool(true)) {
        let inner = schema.take();
        *schema = json!({"anyOf": [inner, {"type": "null"}]});
    }
}

/// The component that a schema refers to, if it is a reference and the component exists.
pub(super) fn target<'a>(schemas: &'a Value, schema: &Value) -> Option<&'a Value> {
    let name = schema.get("$ref")?.as_str()?.strip_prefix(REFERENCE)?;
    schemas.get(name)
}

/// Whether checking a value against a component may come back to the component without looking into the value. Such a
/// schema has no meaning, and a validator would never end.
pub(super) fn is_circular(schemas: &Value) -> bool {
    let Value::Object(components) = schemas else { return false };
    let mut walk = Walk { components, heights: HashMap::new(), open: Vec::new() };
    components.keys().any(|name| walk.height(name).is_none())
}

fn normalise_keyword(keyword: &str, value: &mut Value) {
    match value {
        Value::Object(schemas) if NAMED.contains(&keyword) => schemas.values_mut().for_each(normalise),
        Value::Array(schemas) if LIST.contains(&keyword) => schemas.iter_mut().for_each(normalise),
        Value::Object(_) if ONE.contains(&keyword) => normalise(value),
        _ => {}
    }
}

/// OpenAPI 3.0 says `minimum: 1, exclusiveMinimum: true` for what later became `exclusiveMinimum: 1`.
fn make_numeric(keywords: &mut Map<String, Value>, limit: &str, exclusive: &str) {
    let Some(Value::Bool(is_exclusive)) = keywords.get(exclusive) else { return };
    if !is_exclusive {
        keywords.remove(exclusive);
    } else if let Some(bound) = keywords.remove(limit) {
        keywords.insert(exclusive.to_owned(), bound);
    }
}

/// A walk along the references that apply to one and the same value.
struct Walk<'a> {
    components: &'a Map<String, Value>,
    /// How long a chain of references begins at a component.
    heights: HashMap<&'a str, usize>,
    open: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    /// `None` for a circle, and for a chain so long that it might as well be one.
    fn height(&mut self, name: &'a str) -> Option<usize> {
        if let Some(height) = self.heights.get(name) {
            return Some(*height);
        }
        if self.open.contains(&name) || self.open.len() == LONGEST_CHAIN {
            return None;
        }
        self.open.push(name);
        let mut references = Vec::new();
        self.components.get(name).into_iter().for_each(|schema| collect_references(schema, &mut references));
        let mut height = 0;
        for reference in references {
            height = height.max(self.height(reference)? + 1);
        }
        self.open.pop();
        self.heights.insert(name, height);
        (height < LONGEST_CHAIN).then_some(height)
    }
}

/// The components that apply to the same value as `schema` does.
fn collect_references<'a>(schema: &'a Value, references: &mut Vec<&'a str>) {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(REFERENCE));
    references.extend(reference);
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for part in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
            collect_references(part, references);
        }
    }
    if let Some(negated) = schema.get("not") {
        collect_references(negated, references);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_rewritten_wherever_they_are() {
        let cases = [
            (
                json!({"type": "string", "nullable": true}),
                json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
            ),
            (json!({"type": "string", "nullable": false}), json!({"type": "string"})),
            (json!({"items": {"nullable": true}}), json!({"items": {"anyOf": [{}, {"type": "null"}]}})),
            (
                json!({"properties": {"nullable": {"allOf": [{"nullable": true}]}}, "default": {"nullable": true}}),
                json!({"properties": {"nullable": {"allOf": [{"anyOf": [{}, {"type": "null"}]}]}}, "default": {"nullable": true}}),
            ),
            (json!({"minimum": 1, "exclusiveMinimum": true}), json!({"exclusiveMinimum": 1})),
            (json!({"maximum": 1, "exclusiveMaximum": false}), json!({"maximum": 1})),
            (json!({"maximum": 1, "exclusiveMinimum": 0}), json!({"maximum": 1, "exclusiveMinimum": 0})),
            (json!(true), json!(true)),
        ];
        for (mut schema, expected) in cases {
            normalise(&mut schema);
            assert_eq!(schema, expected);
        }
    }

    #[test]
    fn only_circles_without_progress_are_circular() {
        let to = |name: &str| json!({"$ref": format!("{REFERENCE}{name}")});
        let cases = [
            (json!({"A": to("A")}), true),
            (json!({"A": {"allOf": [to("B")]}, "B": {"anyOf": [{"not": to("A")}]}}), true),
            (json!({"A": {"properties": {"child": to("A")}}}), false),
            (json!({"A": {"allOf": [to("B"), to("B")]}, "B": {"items": to("A")}}), false),
            (json!({"A": to("Missing")}), false),
            (json!(null), false),
        ];
        for (schemas, expected) in cases {
            assert_eq!(is_circular(&schemas), expected, "for {schemas}");
        }
    }
}
