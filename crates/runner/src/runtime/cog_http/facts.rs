//! What a server can do. Found out, never configured.

use cogwire_core::input::OutputForm;
use cogwire_core::json::Json;

/// What a server can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// It is one of Cog 0.17 or newer. Older ones show everything in the answer that ends a run, newer ones nothing but
    /// the output of a success.
    pub(super) coglet: bool,
    /// Runs can be watched as a stream of events.
    pub(super) streams: bool,
    /// A request with an impossible input tells the state of a run that is under way, and never starts one.
    pub(super) answers_polls: bool,
    /// What the model gives.
    pub(super) form: OutputForm,
    /// The model gives files.
    pub(super) gives_files: bool,
}

impl Facts {
    /// What follows from the server's schema, if it has one. Without a schema a server checks no input, so any input
    /// starts a run; what is known of the model from elsewhere then says what it gives.
    pub(super) fn of(coglet: bool, schema: Option<&Json>, known: Option<&Json>) -> Self {
        let Some(schema) = schema else {
            let form = known.map_or(OutputForm::Value, OutputForm::of);
            let gives_files = known.is_some_and(OutputForm::is_file);
            return Self { coglet, streams: false, answers_polls: false, form, gives_files };
        };
        let document = schema.to_value();
        let post = &document["paths"]["/predictions"]["post"];
        let has_input = document["components"]["schemas"]["Input"].is_object();
        Self {
            coglet,
            streams: coglet && has_input && post["x-cog-streaming"] == true,
            answers_polls: coglet && has_input,
            form: OutputForm::of(schema),
            gives_files: OutputForm::is_file(schema),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schema_says_what_can_be_done() {
        let schema = |streaming: bool| {
            Json::from_value(&json!({
                "paths": {"/predictions": {"post": {"x-cog-streaming": streaming}}},
                "components": {"schemas": {"Input": {"type": "object"}, "Output": {"type": "string"}}},
            }))
        };
        let new = Facts::of(true, Some(&schema(true)), None);
        assert!(new.streams && new.answers_polls);
        let plain = Facts::of(true, Some(&schema(false)), None);
        assert!(!plain.streams && plain.answers_polls);
        let old = Facts::of(false, Some(&schema(true)), None);
        assert!(!old.streams && !old.answers_polls);
        let silent = Facts::of(true, None, None);
        assert!(!silent.streams && !silent.answers_polls && silent.form == OutputForm::Value);
        let list = Json::from_value(&json!({"components": {"schemas": {"Output": {
            "type": "array", "items": {"type": "string", "format": "uri"}}}}}));
        let known = Facts::of(true, None, Some(&list));
        assert!(!known.answers_polls && known.form == OutputForm::List && known.gives_files);
    }
}
