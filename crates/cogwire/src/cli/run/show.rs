//! Output on stdout.

use serde_json::Value;

use crate::cli::failure::Outcome;
use crate::cli::output;

/// Prints a text as it is, texts one a line or joined as the schema says, and everything else as JSON.
pub(super) fn output(value: &Value, schema: Option<&Value>) -> Outcome {
    match value {
        Value::Null => {}
        Value::String(text) => output::print(text)?,
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) => {
            output::print(joined(items, schema))?;
        }
        other => output::print_json(other)?,
    }
    Ok(())
}

/// The items of a list of texts in one text.
pub(super) fn joined(items: &[Value], schema: Option<&Value>) -> String {
    let concatenates = schema.is_some_and(|schema| schema["x-cog-array-display"] == "concatenate");
    let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    texts.join(if concatenates { "" } else { "\n" })
}
