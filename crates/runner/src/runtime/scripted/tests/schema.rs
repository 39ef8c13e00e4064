//! The documents of scripted models, and their versions.

use serde_json::{Value, json};

use super::{models, parse};
use crate::{CatalogueEntry, Scripts};

fn entry(body: &str) -> CatalogueEntry {
    models(body)[0].entry().clone()
}

fn schemas(body: &str) -> Value {
    entry(body).openapi_schema.to_value()["components"]["schemas"].clone()
}

const STEP: &str = "[[model.step]]\noutput = 'x'\n";

#[test]
fn declared_inputs_become_a_schema_like_cogs() {
    let schemas = schemas(&format!(
        "{STEP}
        [model.input.prompt_text]
        type = 'string'
        description = 'What to say'
        [model.input.count]
        type = 'integer'
        default = 3
        minimum = 1
        maximum = 10
        [model.input.mode]
        type = 'string'
        choices = ['fast', 'slow']
        default = 'fast'
        [model.input.image]
        type = 'file'
        required = false"
    ));
    assert_eq!(
        schemas["Input"],
        json!({"type": "object", "title": "Input", "required": ["prompt_text"], "properties": {
            "prompt_text": {"type": "string", "title": "Prompt Text", "description": "What to say", "x-order": 0},
            "count": {"type": "integer", "title": "Count", "default": 3, "minimum": 1, "maximum": 10, "x-order": 1},
            "mode": {"allOf": [{"$ref": "#/components/schemas/mode"}], "default": "fast", "x-order": 2},
            "image": {"type": "string", "format": "uri", "title": "Image", "nullable": true, "x-order": 3},
        }})
    );
    assert_eq!(
        schemas["mode"],
        json!({"type": "string", "title": "mode", "description": "An enumeration.", "enum": ["fast", "slow"]})
    );
}

#[test]
fn the_output_schema_follows_from_the_kind_and_the_steps() {
    let cases = [
        ("", "'text {{ index }}'", json!({"type": "string", "title": "Output"})),
        ("", "'{{ input.any }}'", json!({"title": "Output"})),
        ("", "{ a = 1 }", json!({"type": "object", "title": "Output"})),
        ("list", "1", json!({"type": "array", "title": "Output", "items": {"type": "integer"}})),
        (
            "iterator",
            "[1]",
            json!({"type": "array", "title": "Output", "items": {"type": "array"}, "x-cog-array-type": "iterator"}),
        ),
        (
            "concatenate",
            "'{{ index }}'",
            json!({"type": "array", "title": "Output", "items": {"type": "string"},
                "x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"}),
        ),
    ];
    for (kind, output, expected) in cases {
        let kind = if kind.is_empty() { String::new() } else { format!("output = '{kind}'\n") };
        assert_eq!(
            schemas(&format!("{kind}[[model.step]]\noutput = {output}"))["Output"],
            expected,
            "{output}"
        );
    }
}

#[test]
fn schema_files_come_whole_or_in_parts() {
    let parts = json!({
        "Input": {"type": "object", "properties": {"text": {"type": "string", "default": "d"}}},
        "Output": {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"},
        "extra": {"type": "string"},
    });
    let whole = json!({"openapi": "3.0.2", "x-mine": 1, "components": {"schemas": parts}});
    for (document, kept) in [(&parts, Value::Null), (&whole, json!(1))] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("schema.json"), document.to_string()).unwrap();
        let script = folder.path().join("script.toml");
        std::fs::write(&script, format!("[[model]]\nowner='a'\nname='b'\nschema='schema.json'\n{STEP}"))
            .unwrap();
        let models = Scripts::load(&[script]).unwrap().into_models();
        let schema = models[0].entry().openapi_schema.to_value();
        assert_eq!(schema["x-mine"], kept);
        for name in ["Input", "Output", "extra"] {
            assert_eq!(schema["components"]["schemas"][name], parts[name]);
        }
    }
}

#[test]
fn derived_versions_depend_on_meaning_only() {
    let version = |body: &str| entry(body).versions[0].clone();
    let first = version("time_scale = 0.5\ndescription = 'd'\n[[model.step]]\noutput = 'x'");
    let same = version("# a comment\ndescription = \"d\"\ntime_scale = 0.50\n\n[[model.step]]\noutput=\"x\"");
    let other = version("time_scale = 0.5\ndescription = 'd'\n[[model.step]]\noutput = 'y'");
    assert_eq!(first, same);
    assert_ne!(first, other);
    assert_eq!(
        first.as_str(),
        "d8bb733a47c5d6f29a242c667194f4db745f6d5515e2e4e497a543c2a488a02b",
        "a derived version must stay what it is from release to release"
    );
}

#[test]
fn claimed_versions_are_kept_in_their_order() {
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let ids = |body: &str| entry(body).versions.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(ids(&format!("version = '{a}'\n{STEP}")), std::slice::from_ref(&a));
    assert_eq!(ids(&format!("versions = ['{b}', '{a}']\n{STEP}")), [b, a]);
    assert!(parse(STEP).is_ok());
}
