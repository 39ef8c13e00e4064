//! JSON with templates in it.

use cogwire_core::json::Json;
use serde_json::{Map, Value};

use super::error::{Problem, ScriptError};
use super::table::Field;
use super::template::{self, Expression, RenderError, Scope, TemplateError, Templates, TextTemplate};

/// A string of a script.
#[derive(Debug)]
pub(super) enum Text {
    Fixed(String),
    Template(TextTemplate),
}

/// Any value of a script.
#[derive(Debug)]
pub(super) enum Pattern {
    /// Nothing in it is a template.
    Fixed(Json),
    /// A string that is a template.
    Text(TextTemplate),
    /// A string that is one expression, and stands for its value.
    Expression(Expression),
    List(Vec<Pattern>),
    Table(Vec<(String, Pattern)>),
}

impl Text {
    pub(super) fn compile(
        field: &Field<'_>,
        templates: &mut Templates,
        variables: &[&str],
    ) -> Result<Self, ScriptError> {
        let text = field.text()?;
        if !template::is_template(text) {
            return Ok(Self::Fixed(text.to_owned()));
        }
        templates.text(text, variables).map(Self::Template).map_err(|error| refusal(field, error, variables))
    }

    pub(super) fn render(&self, templates: &Templates, scope: &Scope) -> Result<String, RenderError> {
        match self {
            Self::Fixed(text) => Ok(text.clone()),
            Self::Template(template) => templates.render(template, scope),
        }
    }
}

impl Pattern {
    pub(super) fn compile(
        field: &Field<'_>,
        templates: &mut Templates,
        variables: &[&str],
    ) -> Result<Self, ScriptError> {
        let value = field.json()?;
        if !has_templates(&value) {
            return Ok(Self::Fixed(Json::from_value(&value)));
        }
        match value {
            Value::String(_) => Self::compile_string(field, templates, variables),
            Value::Array(_) => {
                let items = field.items()?;
                items
                    .iter()
                    .map(|item| Self::compile(item, templates, variables))
                    .collect::<Result<_, _>>()
                    .map(Self::List)
            }
            _ => {
                let fields = field.open_table()?.fields();
                let entry = |field: &Field<'_>| {
                    Ok((field.key.to_string(), Self::compile(field, templates, variables)?))
                };
                fields.iter().map(entry).collect::<Result<_, _>>().map(Self::Table)
            }
        }
    }

    /// A pattern that gives text, also where an expression gives something else.
    pub(super) fn text(
        field: &Field<'_>,
        templates: &mut Templates,
        variables: &[&str],
    ) -> Result<Self, ScriptError> {
        Text::compile(field, templates, variables).map(|text| match text {
            Text::Fixed(text) => Self::Fixed(Json::string(&text)),
            Text::Template(template) => Self::Text(template),
        })
    }

    pub(super) fn render(&self, templates: &Templates, scope: &Scope) -> Result<Json, RenderError> {
        match self {
            Self::Fixed(json) => Ok(json.clone()),
            Self::Text(template) => templates.render(template, scope).map(|text| Json::string(&text)),
            _ => self.value(templates, scope).map(|value| Json::from_value(&value)),
        }
    }

    /// The JSON schema type of what this gives, where that is known before it is rendered.
    pub(super) fn json_type(&self) -> Option<&'static str> {
        match self {
            Self::Fixed(json) => type_of(&json.to_value()),
            Self::Text(_) => Some("string"),
            Self::Expression(_) => None,
            Self::List(_) => Some("array"),
            Self::Table(_) => Some("object"),
        }
    }

    fn compile_string(
        field: &Field<'_>,
        templates: &mut Templates,
        variables: &[&str],
    ) -> Result<Self, ScriptError> {
        let expression = compile_expression(field, templates, variables)?;
        let text = |templates: &mut Templates| {
            let text = templates.text(field.text()?, variables);
            text.map(Self::Text).map_err(|error| refusal(field, error, variables))
        };
        expression.map_or_else(|| text(templates), |expression| Ok(Self::Expression(expression)))
    }

    fn value(&self, templates: &Templates, scope: &Scope) -> Result<Value, RenderError> {
        match self {
            Self::Fixed(json) => Ok(json.to_value()),
            Self::Text(template) => templates.render(template, scope).map(Value::String),
            Self::Expression(expression) => templates.evaluate(expression, scope),
            Self::List(items) => items.iter().map(|item| item.value(templates, scope)).collect(),
            Self::Table(entries) => {
                let entry =
                    |(key, pattern): &(String, Self)| Ok((key.clone(), pattern.value(templates, scope)?));
                entries.iter().map(entry).collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
        }
    }
}

/// Compiles a string that should be one expression; `None` when it is not.
pub(super) fn compile_expression(
    field: &Field<'_>,
    templates: &mut Templates,
    variables: &[&str],
) -> Result<Option<Expression>, ScriptError> {
    templates.expression(field.text()?, variables).map_err(|error| refusal(field, error, variables))
}

fn refusal(field: &Field<'_>, error: TemplateError, variables: &[&str]) -> ScriptError {
    let (key, place) = (field.key.to_string(), field.place.clone());
    field.error(match error {
        TemplateError::Syntax(reason) => Problem::Template { key, place, reason },
        TemplateError::Variable(name) => Problem::Variable { key, place, name, known: variables.join(", ") },
    })
}

fn has_templates(value: &Value) -> bool {
    match value {
        Value::String(text) => template::is_template(text),
        Value::Array(items) => items.iter().any(has_templates),
        Value::Object(entries) => entries.values().any(has_templates),
        _ => false,
    }
}

fn type_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) => Some(if number.is_f64() { "number" } else { "integer" }),
        Value::String(_) => Some("string"),
        Value::Array(_) => Some("array"),
        Value::Object(_) => Some("object"),
    }
}
