//! What is wrong with an input, in the words that Replicate uses (those of Go's gojsonschema).

use std::borrow::Cow;

use serde::Serialize;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvalidField {
    /// Its kind, such as `required` or `number_lte`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// Where, such as `input.steps`; empty for the whole body.
    pub field: String,
    /// A sentence about it, in Replicate's words.
    pub description: String,
    /// What was probably meant; only the error's `detail` says it.
    #[serde(skip)]
    pub hint: Option<String>,
}

/// All that is wrong; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidInput {
    /// Each fault.
    pub fields: Vec<InvalidField>,
}

impl InvalidField {
    /// A fault of some kind at some place.
    pub fn new(
        kind: impl Into<Cow<'static, str>>,
        field: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        Self { kind: kind.into(), field: field.into(), description: description.into(), hint: None }
    }

    /// The same, with what was probably meant.
    #[must_use]
    pub fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }
}

impl From<InvalidField> for InvalidInput {
    fn from(field: InvalidField) -> Self {
        Self { fields: vec![field] }
    }
}

impl InvalidInput {
    /// One line for each fault, as in the `detail` of an error.
    pub fn detail(&self) -> String {
        self.fields.iter().map(line).collect()
    }
}

fn line(fault: &InvalidField) -> String {
    let place = if fault.field.is_empty() { String::new() } else { format!("{}: ", fault.field) };
    let hint = fault.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
    format!("- {place}{}{hint}\n", fault.description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_have_a_line_for_each_fault() {
        let invalid = InvalidInput {
            fields: vec![
                InvalidField::new("required", "", "version is required"),
                InvalidField::new("number_lte", "input.steps", "Must be less than or equal to 4"),
            ],
        };
        assert_eq!(
            invalid.detail(),
            "- version is required\n- input.steps: Must be less than or equal to 4\n"
        );
        assert_eq!(
            serde_json::to_string(&invalid.fields[0]).unwrap(),
            r#"{"type":"required","field":"","description":"version is required"}"#
        );
    }
}
