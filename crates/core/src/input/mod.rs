//! Inputs and outputs: what a version's schema says of them, and what is wrong with what a caller sent.
//!
//! Owns the reading of Cog's OpenAPI document, and the wording of faults: the vocabulary of Go's gojsonschema, which
//! Replicate's users know. Does not know requests, models or files.

mod fault;
mod invalid;
mod normal;
mod output;
mod schema;
mod uri;

pub use invalid::{InvalidField, InvalidInput};
pub use output::OutputForm;
pub use schema::{Accepted, Component, InputSchema, SchemaError};

/// The schema of a component, with references to other components followed as far as they lead.
fn resolve<'a>(schemas: &'a serde_json::Value, mut schema: &'a serde_json::Value) -> &'a serde_json::Value {
    // Long enough for any schema that a tool writes; a circle of references ends here.
    for _ in 0..16 {
        let Some(target) = normal::target(schemas, schema) else { break };
        schema = target;
    }
    schema
}

/// A schema, and the schemas that it is made of by `allOf`, `anyOf` and references.
fn parts<'a>(schemas: &'a serde_json::Value, schema: &'a serde_json::Value) -> Vec<&'a serde_json::Value> {
    let schema = resolve(schemas, schema);
    let lists = ["allOf", "anyOf"].into_iter().filter_map(|key| schema[key].as_array());
    let combined = lists.flatten().map(|part| resolve(schemas, part));
    std::iter::once(schema).chain(combined).collect()
}
