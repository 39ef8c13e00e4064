//! The validator's findings in the words of gojsonschema.

use std::collections::HashMap;
use std::fmt::Display;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use serde_json::Value;

use super::InvalidField;
use crate::json::Json;

/// Where every input is, in the name of a field.
pub(super) const ROOT: &str = "input";

/// What a finding says; usually one fault, but as many as there are keys too many.
pub(super) fn faults_of(error: &ValidationError<'_>) -> Vec<InvalidField> {
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|name| additional_property(error, name)).collect()
        }
        ValidationErrorKind::AnyOf { context } => match unless_null(context) {
            Some(errors) => errors.iter().flat_map(faults_of).collect(),
            None => vec![fault(error, "number_any_of", "Must validate at least one schema (anyOf)")],
        },
        kind => {
            let (name, description) = describe(error, kind);
            vec![fault(error, name, description)]
        }
    }
}

/// The fault of a value that has the wrong type.
pub(super) fn invalid_type(field: impl Into<String>, expected: impl Display, given: &Value) -> InvalidField {
    InvalidField::new("invalid_type", field, expected_type(expected, given))
}

fn fault(error: &ValidationError<'_>, kind: &'static str, description: impl Into<String>) -> InvalidField {
    let below = path(error.instance_path());
    let field = if below.is_empty() { ROOT.to_owned() } else { format!("{ROOT}.{below}") };
    InvalidField::new(kind, field, description)
}

fn additional_property(error: &ValidationError<'_>, name: &str) -> InvalidField {
    fault(error, "additional_property_not_allowed", format!("Additional property {name} is not allowed"))
}

/// The findings about a value that may also be null, which would only have hidden them.
fn unless_null<'a>(branches: &'a [Vec<ValidationError<'static>>]) -> Option<&'a [ValidationError<'static>]> {
    let is_null =
        |errors: &Vec<ValidationError<'_>>| matches!(errors.as_slice(), [error] if expects_null(error));
    let mut others = branches.iter().filter(|errors| !is_null(errors));
    let only = others.next()?;
    others.next().is_none().then_some(only)
}

fn expects_null(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(expected) } if expected.to_string() == "null")
}

fn describe(error: &ValidationError<'_>, kind: &ValidationErrorKind) -> (&'static str, String) {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Required { property } => ("required", format!("{} is required", plain(property))),
        Kind::Type { kind } => ("invalid_type", expected_type(types(kind), error.instance())),
        Kind::Enum { options } => {
            ("enum", format!("{} must be one of the following: {}", name(error), list(options)))
        }
        Kind::Constant { expected_value } => {
            ("const", format!("{} does not match: {}", name(error), json(expected_value)))
        }
        Kind::Minimum { limit } => {
            ("number_gte", format!("Must be greater than or equal to {}", json(limit)))
        }
        Kind::Maximum { limit } => ("number_lte", format!("Must be less than or equal to {}", json(limit))),
        Kind::ExclusiveMinimum { limit } => ("number_gt", format!("Must be greater than {}", json(limit))),
        Kind::ExclusiveMaximum { limit } => ("number_lt", format!("Must be less than {}", json(limit))),
        Kind::MultipleOf { multiple_of } => {
            ("multiple_of", format!("Must be a multiple of {}", Json::number(*multiple_of)))
        }
        Kind::Pattern { pattern } => ("pattern", format!("Does not match pattern '{pattern}'")),
        Kind::Format { format } => ("format", format!("Does not match format '{format}'")),
        _ => describe_size(error, kind),
    }
}

fn describe_size(error: &ValidationError<'_>, kind: &ValidationErrorKind) -> (&'static str, String) {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::MinLength { limit } => {
            ("string_gte", format!("String length must be greater than or equal to {limit}"))
        }
        Kind::MaxLength { limit } => {
            ("string_lte", format!("String length must be less than or equal to {limit}"))
        }
        Kind::MinItems { limit } => ("array_min_items", format!("Array must have at least {limit} items")),
        Kind::MaxItems { limit } => ("array_max_items", format!("Array must have at most {limit} items")),
        Kind::MinProperties { limit } => {
            ("array_min_properties", format!("Must have at least {limit} properties"))
        }
        Kind::MaxProperties { limit } => {
            ("array_max_properties", format!("Must have at most {limit} properties"))
        }
        Kind::UniqueItems => ("unique", not_unique(error.instance())),
        _ => describe_shape(error, kind),
    }
}

fn describe_shape(error: &ValidationError<'_>, kind: &ValidationErrorKind) -> (&'static str, String) {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::AdditionalItems { .. } | Kind::UnevaluatedItems { .. } => {
            ("array_no_additional_items", "No additional items allowed on array".to_owned())
        }
        Kind::Contains => ("contains", "At least one of the items must match".to_owned()),
        Kind::PropertyNames { error } => {
            ("invalid_property_name", format!("Property name of {} does not match", json(error.instance())))
        }
        Kind::OneOfMultipleValid { .. } | Kind::OneOfNotValid { .. } => {
            ("number_one_of", "Must validate one and only one schema (oneOf)".to_owned())
        }
        Kind::Not { .. } => ("number_not", "Must not validate the schema (not)".to_owned()),
        // The message must not repeat the value: an input may be large or secret.
        _ => ("number_all_of", format!("Must validate all the schemas (allOf): {}", error.masked())),
    }
}

/// The path of a value below the input, as gojsonschema writes it.
fn path(location: &Location) -> String {
    let names: Vec<String> = location
        .segments()
        .map(|segment| match segment {
            LocationSegment::Property(name) => name.into_owned(),
            LocationSegment::Index(index) => index.to_string(),
        })
        .collect();
    names.join(".")
}

fn name(error: &ValidationError<'_>) -> String {
    match path(error.instance_path()) {
        root if root.is_empty() => ROOT.to_owned(),
        below => below,
    }
}

fn expected_type(expected: impl Display, given: &Value) -> String {
    format!("Invalid type. Expected: {expected}, given: {}", type_of(given))
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(expected) => expected.to_string(),
        TypeKind::Multiple(expected) => {
            let names: Vec<String> = expected.iter().map(|expected| expected.to_string()).collect();
            format!("[{}]", names.join(","))
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.as_f64().is_some_and(|float| float.fract() == 0.0) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn not_unique(array: &Value) -> String {
    let mut seen = HashMap::new();
    let items = array.as_array().into_iter().flatten();
    let twice = items
        .enumerate()
        .find_map(|(index, item)| seen.insert(json(item), index).map(|first| (first, index)));
    let (first, second) = twice.unwrap_or_default();
    format!("array items[{first},{second}] must be unique")
}

fn list(options: &Value) -> String {
    let options: Vec<String> = options.as_array().into_iter().flatten().map(json).collect();
    options.join(", ")
}

fn json(value: &Value) -> String {
    Json::from_value(value).to_string()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| json(value), str::to_owned)
}
