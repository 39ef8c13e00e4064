//! What a scripted model takes and gives: its OpenAPI document, made from the script or read from a schema file.

use cogwire_core::json::Json;
use serde_json::{Map, Value, json};

use super::error::ScriptError;
use super::input::InputSchema;
use super::model::{OutputKind, Step, StepOutput};
use super::source::read_bounded;
use super::table::Field;
use crate::schema;

/// A model's document, and what the player needs to know of it.
pub(super) struct Contract {
    pub(super) document: Json,
    pub(super) output: OutputKind,
    /// What an input is when the prediction does not give it: its default, or `null` when it is optional.
    pub(super) defaults: Vec<(String, Value)>,
}

impl Contract {
    /// Makes the document of a model that has no schema file.
    pub(super) fn declared(input: InputSchema, output: OutputKind, steps: &[Step]) -> Self {
        let defaults = defaults(&input.input);
        let document = schema::document(&input.input, &output_schema(output, steps), input.components);
        Self { document, output, defaults }
    }

    /// Reads the file that the key `schema` names: a whole OpenAPI document, or an object with `Input` and `Output`.
    pub(super) fn read(field: &Field<'_>) -> Result<Self, ScriptError> {
        let text = read_bounded(&field.path()?).map_err(|error| field.bad_file(&error))?;
        let json = Json::parse(&text).map_err(|error| field.bad_file(&format!("not JSON: {error}")))?;
        let tree = json.to_value();
        let whole = tree.get("components").is_some();
        let schemas = tree.pointer("/components/schemas").unwrap_or(&tree);
        let component = |name: &str| {
            let missing = if whole { "components.schemas." } else { "" };
            schemas
                .get(name)
                .filter(|schema| schema.is_object())
                .ok_or_else(|| field.bad_file(&format!("no {missing}{name} schema in it")))
        };
        let (input, output) = (component("Input")?, component("Output")?);
        let document = if whole { json } else { framed(schemas, input, output) };
        Ok(Self { document, output: kind_of(output), defaults: defaults(input) })
    }
}

fn framed(schemas: &Value, input: &Value, output: &Value) -> Json {
    let mut others = schemas.as_object().cloned().unwrap_or_default();
    others.retain(|name, _| name != "Input" && name != "Output");
    schema::document(input, output, others)
}

fn kind_of(output: &Value) -> OutputKind {
    let is = |key: &str, value: &str| output.get(key).and_then(Value::as_str) == Some(value);
    if !is("type", "array") {
        OutputKind::Value
    } else if !is("x-cog-array-type", "iterator") {
        OutputKind::List
    } else if is("x-cog-array-display", "concatenate") {
        OutputKind::Concatenate
    } else {
        OutputKind::Iterator
    }
}

fn defaults(input: &Value) -> Vec<(String, Value)> {
    let required = |name: &str| {
        let names = input.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let default = |(name, schema): (&String, &Value)| match schema.get("default") {
        Some(default) => Some((name.clone(), default.clone())),
        None => (!required(name)).then(|| (name.clone(), Value::Null)),
    };
    let properties = input.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().filter_map(default).collect()
}

fn output_schema(kind: OutputKind, steps: &[Step]) -> Value {
    let item = item_schema(steps);
    match kind {
        OutputKind::Value => {
            let mut output = item;
            output.insert("title".to_owned(), json!("Output"));
            Value::Object(output)
        }
        OutputKind::List => json!({"type": "array", "title": "Output", "items": item}),
        OutputKind::Iterator => schema::iterator_output(&Value::Object(item), false),
        OutputKind::Concatenate => schema::iterator_output(&json!({"type": "string"}), true),
    }
}

/// The schema that all outputs of the steps share; empty when they have none in common.
fn item_schema(steps: &[Step]) -> Map<String, Value> {
    let schema = |output: &StepOutput| match output {
        StepOutput::File(_) => {
            Map::from_iter([("type".to_owned(), json!("string")), ("format".to_owned(), json!("uri"))])
        }
        StepOutput::Value(pattern) => {
            pattern.json_type().map(|kind| ("type".to_owned(), json!(kind))).into_iter().collect()
        }
    };
    let mut schemas = steps.iter().filter_map(|step| step.output.as_ref()).map(schema);
    let first = schemas.next().unwrap_or_default();
    if schemas.all(|other| other == first) { first } else { Map::new() }
}
