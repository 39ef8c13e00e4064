//! The schema of an input, compiled once for each version.

use std::collections::BTreeMap;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::fault::{ROOT, faults_of, invalid_type};
use super::{InvalidField, InvalidInput, normal, output, parts, resolve, uri};
use crate::json::{Json, Kind};

/// More faults than these are not listed.
const MAX_FAULTS: usize = 100;

/// Which of a version's inputs is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Component {
    /// The input of a prediction.
    Input,
    /// The input of a training.
    TrainingInput,
}

/// The version's schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A component refers to itself without looking into the value.
    #[error("the components of the schema refer to one another in a circle")]
    Circular,
    /// The validator does not accept the schema.
    #[error("the schema of {component} is not valid: {reason}")]
    Invalid {
        /// The name of the component.
        component: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
}

/// The input is valid.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted {
    /// The keys that the schema does not declare, in their canonical order. The model will not see them.
    pub undeclared: Vec<String>,
}

/// What a version accepts as input.
#[derive(Debug)]
pub struct InputSchema {
    validator: Validator,
    properties: BTreeMap<String, Property>,
    /// Whether keys that are not among the properties are welcome.
    open: bool,
}

/// What is remembered of a property at the top level.
#[derive(Debug)]
struct Property {
    /// Its place in a form, Cog's `x-order`.
    order: u64,
    is_uri: bool,
}

impl Component {
    /// Its name in `components.schemas`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "Input",
            Self::TrainingInput => "TrainingInput",
        }
    }

    /// Whether a version's OpenAPI document has it.
    pub fn is_in(self, openapi_schema: &Json) -> bool {
        openapi_schema.to_value()["components"]["schemas"].get(self.as_str()).is_some()
    }
}

impl InputSchema {
    /// Compiles a component of a version's OpenAPI document. A version without the component accepts any object.
    ///
    /// # Errors
    /// When the component is not a valid schema, or refers to something that does not exist.
    pub fn compile(openapi_schema: &Json, component: Component) -> Result<Self, SchemaError> {
        let mut document = openapi_schema.to_value();
        let is_json_schema = document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1"));
        let draft = if is_json_schema { Draft::Draft202012 } else { Draft::Draft7 };
        let schemas = document.pointer_mut("/components/schemas").map(Value::take).unwrap_or_default();
        let schemas = normalised(schemas)?;
        let schema = &schemas[component.as_str()];
        let validator = validator(&schemas, component, draft)?;
        Ok(Self { validator, properties: properties(&schemas, schema), open: is_open(&schemas, schema) })
    }

    /// Checks an input.
    ///
    /// # Errors
    /// With what is missing first, in the schema's order, and then the rest in the order of the form (`x-order`), each
    /// value's faults together; at most 100 faults in all.
    pub fn validate(&self, input: &Json) -> Result<Accepted, InvalidInput> {
        let value = input.to_value();
        if input.kind() != Kind::Object {
            return Err(invalid_type(ROOT, "object", &value).into());
        }
        let fields = self.faults(&value);
        if fields.is_empty() { Ok(self.accepted(&value)) } else { Err(InvalidInput { fields }) }
    }

    /// Whether the property of this name, or each item of it, is a URI: the place of a file.
    pub fn is_uri(&self, name: &str) -> bool {
        self.properties.get(name).is_some_and(|property| property.is_uri)
    }

    fn faults(&self, value: &Value) -> Vec<InvalidField> {
        let errors = self.validator.iter_errors(value).take(MAX_FAULTS);
        let mut faults: Vec<InvalidField> = errors.flat_map(|error| faults_of(&error)).collect();
        keep_the_cause(&mut faults);
        faults.sort_by_cached_key(|fault| {
            (fault.kind != "required", self.order(&fault.field), fault.field.clone())
        });
        faults.truncate(MAX_FAULTS);
        faults
    }

    fn order(&self, field: &str) -> u64 {
        let below = field.strip_prefix(ROOT).unwrap_or(field);
        let Some(path) = below.strip_prefix('.') else { return 0 };
        // A name may contain a dot itself.
        let names = path.match_indices('.').map(|(end, _)| &path[..end]).chain([path]);
        names
            .filter_map(|name| self.properties.get(name))
            .map(|property| property.order)
            .next()
            .unwrap_or(u64::MAX)
    }

    fn accepted(&self, value: &Value) -> Accepted {
        // A schema that declares nothing is that of a model that takes anything.
        if self.open || self.properties.is_empty() {
            return Accepted::default();
        }
        let names = value.as_object().into_iter().flat_map(|members| members.keys());
        Accepted { undeclared: names.filter(|name| !self.properties.contains_key(*name)).cloned().collect() }
    }
}

fn normalised(mut schemas: Value) -> Result<Value, SchemaError> {
    if let Value::Object(components) = &mut schemas {
        components.values_mut().for_each(normal::normalise);
    }
    if normal::is_circular(&schemas) { Err(SchemaError::Circular) } else { Ok(schemas) }
}

fn validator(schemas: &Value, component: Component, draft: Draft) -> Result<Validator, SchemaError> {
    let name = component.as_str();
    let root = match schemas.get(name) {
        Some(_) => {
            json!({"$ref": format!("#/components/schemas/{name}"), "components": {"schemas": schemas}})
        }
        None => json!({"type": "object"}),
    };
    jsonschema::options()
        .with_draft(draft)
        .with_format("uri", uri::is_uri)
        .should_validate_formats(true)
        .offline()
        .build(&root)
        .map_err(|error| SchemaError::Invalid { component: name, reason: error.to_string() })
}

fn properties(schemas: &Value, schema: &Value) -> BTreeMap<String, Property> {
    let declared =
        parts(schemas, schema).into_iter().filter_map(|part| part["properties"].as_object()).flatten();
    declared.map(|(name, schema)| (name.clone(), property(schemas, schema))).collect()
}

fn property(schemas: &Value, schema: &Value) -> Property {
    let order = parts(schemas, schema).iter().find_map(|part| part["x-order"].as_u64());
    Property { order: order.unwrap_or(u64::MAX), is_uri: output::is_uri(schemas, schema) }
}

fn is_open(schemas: &Value, schema: &Value) -> bool {
    let schema = resolve(schemas, schema);
    let says_so = |key: &str| schema.get(key).is_some_and(|value| *value != Value::Bool(false));
    schema.is_null() || says_so("additionalProperties") || says_so("patternProperties")
}

/// A value of the wrong type also breaks other rules; only the type is worth telling.
fn keep_the_cause(faults: &mut Vec<InvalidField>) {
    let mistyped: Vec<String> =
        faults.iter().filter(|fault| fault.kind == "invalid_type").map(|fault| fault.field.clone()).collect();
    faults.retain(|fault| fault.kind == "invalid_type" || !mistyped.contains(&fault.field));
    faults.dedup();
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
