//! What a model's function is called with.
//!
//! Python wants every argument that has no default. Cog's server says `null` for an optional one that is not given,
//! and its worker leaves that to whoever speaks to it. Arguments that a function does not have are expected to be
//! left out already.

use cogwire_core::json::Json;
use serde_json::Value;

/// The inputs that are `null` when they are not given.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Optional(Vec<String>);

impl Optional {
    /// Reads a component of an OpenAPI document: `Input` or `TrainingInput`.
    pub(in crate::runtime) fn of(openapi_schema: &Json, component: &str) -> Self {
        let schema = openapi_schema.to_value();
        let input = &schema["components"]["schemas"][component];
        let required: Vec<&str> =
            input["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let is_optional = |name: &str, property: &Value| {
            property["nullable"] == true && property.get("default").is_none() && !required.contains(&name)
        };
        let properties = input["properties"].as_object().into_iter().flatten();
        let optional = properties.filter(|(name, property)| is_optional(name, property));
        Self(optional.map(|(name, _)| name.clone()).collect())
    }

    /// The arguments for an input that was accepted.
    pub(in crate::runtime) fn arguments(&self, input: &Json) -> Value {
        let mut arguments = input.to_value();
        if let Some(given) = arguments.as_object_mut() {
            for name in &self.0 {
                given.entry(name).or_insert(Value::Null);
            }
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_optional_and_has_no_default_is_said() {
        let schema = Json::from_value(&json!({"components": {"schemas": {"Input": {
            "required": ["text", "odd"],
            "properties": {
                "text": {"type": "string"},
                "count": {"type": "integer", "default": 3},
                "name": {"type": "string", "nullable": true},
                "mood": {"type": "string", "nullable": true, "default": null},
                "odd": {"type": "string", "nullable": true},
            },
        }}}}));
        let optional = Optional::of(&schema, "Input");
        let cases = [
            (json!({"text": "a"}), json!({"text": "a", "name": null})),
            (json!({"text": "a", "name": "b", "count": 1}), json!({"text": "a", "name": "b", "count": 1})),
            (json!([1]), json!([1])),
        ];
        for (input, expected) in cases {
            assert_eq!(optional.arguments(&Json::from_value(&input)), expected, "{input}");
        }
        let unknown = Optional::of(&schema, "TrainingInput");
        assert_eq!(unknown.arguments(&Json::from_value(&json!({"x": 1}))), json!({"x": 1}));
    }
}
