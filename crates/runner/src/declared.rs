//! Which inputs a model declares. What callers send besides is accepted, and must not reach the model: Python refuses a call
//! with an argument that it does not know.

use std::collections::HashSet;

use cogwire_core::input::Component;
use cogwire_core::json::Json;
use cogwire_core::prediction::Kind;
use serde_json::Value;

/// The names of the inputs of a version.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    predicts: Names,
    trains: Names,
}

/// `None` when any name is welcome.
type Names = Option<HashSet<String>>;

impl Declared {
    /// Reads them from the version's OpenAPI document.
    pub(crate) fn of(openapi_schema: &Json) -> Self {
        let document = openapi_schema.to_value();
        let names = |component: Component| names(&document["components"]["schemas"][component.as_str()]);
        Self { predicts: names(Component::Input), trains: names(Component::TrainingInput) }
    }

    /// The input without what the model does not declare.
    pub(crate) fn only(&self, kind: Kind, input: Json) -> Json {
        let names = match kind {
            Kind::Prediction => &self.predicts,
            Kind::Training => &self.trains,
        };
        match (names, input.to_value()) {
            (Some(names), Value::Object(mut members)) if members.keys().any(|key| !names.contains(key)) => {
                members.retain(|key, _| names.contains(key));
                Json::from_value(&Value::Object(members))
            }
            _ => input,
        }
    }
}

fn names(component: &Value) -> Names {
    let is_open =
        component["additionalProperties"] != Value::Null && component["additionalProperties"] != false;
    let properties = component["properties"].as_object().filter(|_| !is_open)?;
    Some(properties.keys().cloned().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn only(schema: &Value, kind: Kind, input: &Value) -> Value {
        let schema = Json::from_value(&json!({"components": {"schemas": schema}}));
        Declared::of(&schema).only(kind, Json::from_value(input)).to_value()
    }

    #[test]
    fn what_is_not_declared_is_left_out() {
        let input = json!({"text": "a", "seed": 1});
        let closed =
            json!({"Input": {"properties": {"text": {}}}, "TrainingInput": {"properties": {"seed": {}}}});
        assert_eq!(only(&closed, Kind::Prediction, &input), json!({"text": "a"}));
        assert_eq!(only(&closed, Kind::Training, &input), json!({"seed": 1}));
    }

    #[test]
    fn a_model_that_takes_anything_gets_everything() {
        let input = json!({"text": "a", "seed": 1});
        for open in [json!({}), json!({"Input": {"properties": {}, "additionalProperties": true}})] {
            assert_eq!(only(&open, Kind::Prediction, &input), input);
        }
        let nothing = json!({"Input": {"properties": {}}});
        assert_eq!(only(&nothing, Kind::Prediction, &input), json!({}));
    }
}
