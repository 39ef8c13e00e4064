//! What templates see and print.

use serde_json::json;

use super::super::template::{
    RUN_VARIABLES, RenderError, Scope, TURN_VARIABLES, TemplateError, Templates, Turn,
};

fn scope() -> Scope {
    let input = json!({"text": "hi", "n": 3, "half": 0.5, "whole": 2.0, "none": null, "yes": true,
        "tree": {"b": [1, "two", null], "a": 1}, "big": u64::MAX});
    Scope::new(&input, "01hf7yat010000000000000000").at(Turn { index: 2, length: 3 })
}

fn render(source: &str) -> Result<String, String> {
    let mut templates = Templates::new();
    let template = templates.text(source, TURN_VARIABLES).map_err(|error| format!("{error:?}"))?;
    templates.render(&template, &scope()).map_err(|RenderError(reason)| reason)
}

#[test]
fn values_print_as_json_and_text_as_it_is() {
    let cases = [
        ("a {{ input.text }}\n", "a hi\n"),
        ("{{ input.n }} {{ input.half }} {{ input.whole }} {{ input.big }}", "3 0.5 2 18446744073709551615"),
        ("{{ input.none }} {{ input.yes }}", "null true"),
        ("{{ input.tree }}", r#"{"a":1,"b":[1,"two",null]}"#),
        ("{{ input.text|tojson }}", r#""hi""#),
        ("{{ prediction.id }}", "01hf7yat010000000000000000"),
        (
            "{{ index }} {{ loop.index }} {{ loop.index0 }} {{ loop.first }} {{ loop.last }}",
            "2 2 1 false false",
        ),
        ("{% for word in ['h', 'i'] %}{{ word }}{{ '.' if loop.last else '-' }}{% endfor %}", "h-i."),
        ("{{ input.absent|default('d') }} {{ input.absent is defined }}", "d false"),
        ("{# nothing #}", ""),
        ("{{ '<b>' }}", "<b>"),
    ];
    for (source, expected) in cases {
        assert_eq!(render(source), Ok(expected.to_owned()), "{source}");
    }
}

#[test]
fn undefined_values_are_errors() {
    for (source, what) in [
        ("{{ input.absent }}", "input.absent"),
        ("{% if input.x %}{% endif %}", "input.x"),
        ("{{ prediction.url }}", "prediction.url"),
    ] {
        assert_eq!(render(source), Err(format!("{what:?} is undefined")));
    }
}

#[test]
fn exactly_one_expression_is_told_from_other_templates() {
    let cases = [
        ("{{ input.n }}", Some(json!(3))),
        (" {{- input.tree.b -}} ", Some(json!([1, "two", null]))),
        ("{{ '}} {{' }}", Some(json!("}} {{"))),
        ("{{ input.n if input.yes else 0 }}", Some(json!(3))),
        ("{{ range(2) }}", Some(json!([0, 1]))),
        ("{{ input.n }}{{ input.n }}", None),
        ("n {{ input.n }}", None),
        ("{% if true %}{{ input.n }}{% endif %}", None),
    ];
    for (source, expected) in cases {
        let mut templates = Templates::new();
        let expression = templates.expression(source, TURN_VARIABLES).unwrap();
        let value = expression.map(|expression| templates.evaluate(&expression, &scope()).unwrap());
        assert_eq!(value, expected, "{source}");
    }
}

#[test]
fn unknown_variables_are_refused_before_anything_runs() {
    let refused = |source, variables| match Templates::new().text(source, variables) {
        Err(TemplateError::Variable(name)) => Some(name),
        _ => None,
    };
    assert_eq!(refused("{{ inptu.text }}", TURN_VARIABLES).as_deref(), Some("inptu"));
    assert_eq!(refused("{{ nope(1) }}", TURN_VARIABLES).as_deref(), Some("nope"));
    assert_eq!(refused("{{ index }}", RUN_VARIABLES).as_deref(), Some("index"));
    assert_eq!(refused("{% set a = 1 %}{{ a + range(3)|length }}", RUN_VARIABLES), None);
}
