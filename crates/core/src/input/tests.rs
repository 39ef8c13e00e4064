use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn compile(schemas: &Value) -> Result<InputSchema, SchemaError> {
    let document = json!({"openapi": "3.0.2", "components": {"schemas": schemas}});
    InputSchema::compile(&Json::from_value(&document), Component::Input)
}

/// What is wrong with `input` for a version whose only property is `x`.
fn detail(property: &Value, input: &Value) -> String {
    let schemas = json!({
        "Input": {"type": "object", "properties": {"x": property}},
        "format": {"type": "string", "enum": ["jpg", "png"]},
    });
    match compile(&schemas).unwrap().validate(&Json::from_value(&json!({"x": input}))) {
        Ok(_) => String::new(),
        Err(invalid) => invalid.detail(),
    }
}

fn check(cases: &[(Value, Value, &str)]) {
    for (property, input, expected) in cases {
        assert_eq!(detail(property, input), *expected, "for {property} and {input}");
    }
}

fn diffusion() -> InputSchema {
    compile(&json!({
        "Input": {
            "type": "object",
            "required": ["prompt", "image"],
            "properties": {
                "image": {"type": "string", "format": "uri", "x-order": 3},
                "images": {"type": "array", "items": {"type": "string", "format": "uri"}, "x-order": 4},
                "num_inference_steps": {"type": "integer", "minimum": 1, "maximum": 4, "default": 4, "x-order": 2},
                "output_format": {"allOf": [{"$ref": "#/components/schemas/output_format"}], "default": "jpg", "x-order": 1},
                "prompt": {"type": "string", "x-order": 0},
            },
        },
        "output_format": {"title": "output_format", "type": "string", "enum": ["jpg", "png"]},
    }))
    .unwrap()
}

#[test]
fn faults_are_worded_and_ordered() {
    let input = Json::parse(r#"{"num_inference_steps":5,"output_format":"gif","image":"cat.png"}"#).unwrap();
    let invalid = diffusion().validate(&input).unwrap_err();
    assert_eq!(
        invalid.detail(),
        "- input: prompt is required\n\
         - input.output_format: output_format must be one of the following: \"jpg\", \"png\"\n\
         - input.num_inference_steps: Must be less than or equal to 4\n\
         - input.image: Does not match format 'uri'\n"
    );
    let kinds: Vec<&str> = invalid.fields.iter().map(|field| &*field.kind).collect();
    assert_eq!(kinds, ["required", "enum", "number_lte", "format"]);

    let empty = diffusion().validate(&Json::object()).unwrap_err();
    assert_eq!(empty.detail(), "- input: prompt is required\n- input: image is required\n");
}

#[test]
fn types_are_compared() {
    check(&[
        (json!({"type": "string"}), json!(1), "- input.x: Invalid type. Expected: string, given: integer\n"),
        (
            json!({"type": "integer"}),
            json!(1.5),
            "- input.x: Invalid type. Expected: integer, given: number\n",
        ),
        (json!({"type": "integer"}), json!(1.0), ""),
        (json!({"type": "number"}), json!("1"), "- input.x: Invalid type. Expected: number, given: string\n"),
        (
            json!({"type": "boolean"}),
            json!(null),
            "- input.x: Invalid type. Expected: boolean, given: null\n",
        ),
        (json!({"type": "array"}), json!({}), "- input.x: Invalid type. Expected: array, given: object\n"),
        (
            json!({"type": "array", "items": {"type": "object"}}),
            json!([{}, [], true]),
            "- input.x.1: Invalid type. Expected: object, given: array\n\
             - input.x.2: Invalid type. Expected: object, given: boolean\n",
        ),
        (
            json!({"allOf": [{"$ref": "#/components/schemas/format"}]}),
            json!(1),
            "- input.x: Invalid type. Expected: string, given: integer\n",
        ),
    ]);
}

#[test]
fn limits_are_named() {
    check(&[
        (json!({"minimum": 0.5}), json!(0), "- input.x: Must be greater than or equal to 0.5\n"),
        (json!({"maximum": 4.0}), json!(5), "- input.x: Must be less than or equal to 4\n"),
        (json!({"exclusiveMinimum": 1}), json!(1), "- input.x: Must be greater than 1\n"),
        (json!({"maximum": 1, "exclusiveMaximum": true}), json!(1), "- input.x: Must be less than 1\n"),
        (json!({"multipleOf": 8}), json!(12), "- input.x: Must be a multiple of 8\n"),
        (
            json!({"minLength": 2}),
            json!("é"),
            "- input.x: String length must be greater than or equal to 2\n",
        ),
        (json!({"maxLength": 1}), json!("ab"), "- input.x: String length must be less than or equal to 1\n"),
        (json!({"pattern": "^a"}), json!("b"), "- input.x: Does not match pattern '^a'\n"),
        (json!({"minItems": 1}), json!([]), "- input.x: Array must have at least 1 items\n"),
        (json!({"maxItems": 1}), json!([1, 2]), "- input.x: Array must have at most 1 items\n"),
        (json!({"uniqueItems": true}), json!([3, 1, 2, 1]), "- input.x: array items[1,3] must be unique\n"),
        (
            json!({"enum": [1, "a", null]}),
            json!(2),
            "- input.x: x must be one of the following: 1, \"a\", null\n",
        ),
        (json!({"const": "a"}), json!("b"), "- input.x: x does not match: \"a\"\n"),
        (
            json!({"properties": {"a": {}}, "required": ["a", "b"], "additionalProperties": false}),
            json!({"c": 1, "d": 2}),
            "- input.x: a is required\n- input.x: b is required\n\
             - input.x: Additional property c is not allowed\n- input.x: Additional property d is not allowed\n",
        ),
    ]);
}

#[test]
fn alternatives_are_explained_as_far_as_possible() {
    let nullable_enum = json!({"allOf": [{"$ref": "#/components/schemas/format"}], "nullable": true});
    let either = json!({"anyOf": [{"type": "string"}, {"type": "array"}]});
    check(&[
        (json!({"type": "string", "nullable": true}), json!(null), ""),
        (
            json!({"type": "string", "nullable": true}),
            json!(1),
            "- input.x: Invalid type. Expected: string, given: integer\n",
        ),
        (nullable_enum.clone(), json!(null), ""),
        (nullable_enum, json!("gif"), "- input.x: x must be one of the following: \"jpg\", \"png\"\n"),
        (json!({"$ref": "#/components/schemas/format", "nullable": true}), json!(null), ""),
        (either, json!(1), "- input.x: Must validate at least one schema (anyOf)\n"),
        (
            json!({"oneOf": [{"type": "string"}, {"minLength": 1}]}),
            json!("a"),
            "- input.x: Must validate one and only one schema (oneOf)\n",
        ),
        (json!({"not": {"type": "string"}}), json!("a"), "- input.x: Must not validate the schema (not)\n"),
    ]);
}

#[test]
fn undeclared_keys_are_accepted_and_listed() {
    let accepted =
        diffusion().validate(&Json::parse(r#"{"prompt":"a","image":"data:,x","z":1,"b":2}"#).unwrap());
    assert_eq!(accepted, Ok(Accepted { undeclared: vec!["b".to_owned(), "z".to_owned()] }));

    let open =
        compile(&json!({"Input": {"type": "object", "additionalProperties": {"type": "integer"}}})).unwrap();
    assert_eq!(open.validate(&Json::parse(r#"{"z":1}"#).unwrap()), Ok(Accepted::default()));
    assert!(open.validate(&Json::parse(r#"{"z":"1"}"#).unwrap()).is_err());
}

#[test]
fn an_input_is_an_object() {
    for schema in [diffusion(), InputSchema::compile(&Json::null(), Component::TrainingInput).unwrap()] {
        for (input, given) in [("[]", "array"), ("null", "null"), ("\"a\"", "string"), ("1e400", "null")] {
            let invalid = schema.validate(&Json::parse(input).unwrap()).unwrap_err();
            assert_eq!(
                invalid.detail(),
                format!("- input: Invalid type. Expected: object, given: {given}\n")
            );
        }
    }
}

#[test]
fn a_version_without_the_component_accepts_any_object() {
    let document = json!({"openapi": "3.1.0", "components": {"schemas": {"Input": {"required": ["x"]}}}});
    let schema = InputSchema::compile(&Json::from_value(&document), Component::TrainingInput).unwrap();
    assert_eq!(schema.validate(&Json::parse(r#"{"a":1}"#).unwrap()), Ok(Accepted::default()));
}

#[test]
fn file_inputs_are_known() {
    let schema = diffusion();
    let uris = ["image", "images", "prompt", "output_format", "missing"].map(|name| schema.is_uri(name));
    assert_eq!(uris, [true, true, false, false, false]);
    let nullable = compile(
        &json!({"Input": {"properties": {"f": {"type": "string", "format": "uri", "nullable": true}}}}),
    );
    assert!(nullable.unwrap().is_uri("f"));
}

#[test]
fn faults_are_bounded() {
    let items: Vec<Value> = (0..1000).map(Value::from).collect();
    let many = detail(&json!({"type": "array", "items": {"type": "string"}}), &json!(items));
    assert_eq!(many.lines().count(), MAX_FAULTS);
}

#[test]
fn unusable_schemas_are_refused() {
    let circle = json!({"Input": {"allOf": [{"$ref": "#/components/schemas/Input"}]}});
    assert_eq!(compile(&circle).unwrap_err(), SchemaError::Circular);
    for property in [
        json!({"$ref": "#/components/schemas/Missing"}),
        json!({"$ref": "https://example.com/schema.json"}),
        json!({"type": "strin"}),
        json!({"pattern": "("}),
        json!({"minimum": "1"}),
    ] {
        let error = compile(&json!({"Input": {"properties": {"x": property}}})).unwrap_err();
        assert!(matches!(error, SchemaError::Invalid { component: "Input", .. }), "for {property}: {error}");
    }
}

#[test]
fn a_schema_may_contain_itself() {
    let schema = compile(&json!({
        "Input": {"properties": {"child": {"$ref": "#/components/schemas/Input"}, "n": {"type": "integer"}}},
    }));
    let input = Json::parse(r#"{"child":{"child":{"n":"x"}}}"#).unwrap();
    let invalid = schema.unwrap().validate(&input).unwrap_err();
    assert_eq!(invalid.detail(), "- input.child.child.n: Invalid type. Expected: integer, given: string\n");
}

fn any_schema() -> impl Strategy<Value = Value> {
    let keyword = prop::sample::select(vec![
        "type",
        "items",
        "properties",
        "required",
        "allOf",
        "anyOf",
        "not",
        "enum",
        "minimum",
        "exclusiveMinimum",
        "nullable",
        "format",
        "pattern",
        "$ref",
        "x-order",
        "additionalProperties",
    ]);
    let leaf = prop::sample::select(vec![
        json!("string"),
        json!("object"),
        json!("uri"),
        json!(1),
        json!(true),
        json!(null),
        json!(["x"]),
        json!([]),
        json!("#/components/schemas/Input"),
        json!("#/components/schemas/A"),
        json!({}),
    ]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let members = prop::collection::vec((keyword.clone(), inner.clone()), 0..4);
        let object = members
            .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        prop_oneof![object, prop::collection::vec(inner, 0..3).prop_map(Value::from)]
    })
}

proptest! {
    #[test]
    fn any_schema_is_compiled_or_refused(input in any_schema(), other in any_schema(), value in any_schema()) {
        if let Ok(schema) = compile(&json!({"Input": input, "A": other})) {
            let once = schema.validate(&Json::from_value(&json!({"x": value})));
            prop_assert_eq!(schema.validate(&Json::from_value(&json!({"x": value}))), once);
        }
    }
}
