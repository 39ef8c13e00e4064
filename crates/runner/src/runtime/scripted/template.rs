//! Templates: compiled when a script is loaded, rendered while it is played.
//!
//! Owns the template engine and its settings: an undefined value is an error wherever it is used, values that are not
//! strings print as JSON, a template's last line end stays, and no template runs for ever.

use std::sync::Arc;

use cogwire_core::json::Json;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Serde};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value, context};

use super::limits::TEMPLATE_FUEL;

/// The variables that every template has.
pub(super) const RUN_VARIABLES: &[&str] = &["input", "prediction"];

/// The variables of a template that is rendered once per repetition of its step.
pub(super) const TURN_VARIABLES: &[&str] = &["input", "prediction", "index", "loop"];

/// What the wrapper of an expression assigns to.
const RESULT: &str = "expression_result";

/// The compiled templates of one model.
#[derive(Debug)]
pub(super) struct Templates {
    engine: Environment<'static>,
    count: usize,
}

/// A template that gives text.
#[derive(Debug)]
pub(super) struct TextTemplate(String);

/// A template that is one expression, and gives its value.
#[derive(Debug)]
pub(super) struct Expression(String);

/// A template that was refused.
#[derive(Debug)]
pub(super) enum TemplateError {
    /// It does not parse.
    Syntax(String),
    /// It uses a variable that does not exist.
    Variable(String),
}

/// A template that could not be rendered: why, for the user.
#[derive(Debug)]
pub(super) struct RenderError(pub(super) String);

/// What templates see.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    input: Value,
    prediction: Value,
    turn: Option<Turn>,
}

/// Which repetition of a step this is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// From 1.
    pub(super) index: u64,
    /// How many repetitions there are.
    pub(super) length: u64,
}

/// Whether a string has anything to render.
pub(super) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|opening| text.contains(opening))
}

impl Templates {
    pub(super) fn new() -> Self {
        let mut engine = Environment::new();
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
        engine.set_syntax(syntax.expect("the default delimiters are valid"));
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_fuel(Some(TEMPLATE_FUEL));
        engine.set_formatter(|out, _state: &mut State, value| print(out, value));
        Self { engine, count: 0 }
    }

    /// Compiles a template that gives text.
    pub(super) fn text(&mut self, source: &str, variables: &[&str]) -> Result<TextTemplate, TemplateError> {
        self.add(source.to_owned(), variables).map(TextTemplate)
    }

    /// Compiles a template that is exactly one expression; `None` when it is anything else.
    pub(super) fn expression(
        &mut self,
        source: &str,
        variables: &[&str],
    ) -> Result<Option<Expression>, TemplateError> {
        match inner_expression(source)
            .filter(|inner| self.engine.compile_expression_owned(inner.to_string()).is_ok())
        {
            None => Ok(None),
            Some(inner) => self
                .add(format!("{{% set {RESULT} = ({inner}) %}}"), variables)
                .map(|name| Some(Expression(name))),
        }
    }

    /// The text of a template.
    pub(super) fn render(&self, template: &TextTemplate, scope: &Scope) -> Result<String, RenderError> {
        let template = self.engine.get_template(&template.0).map_err(|error| RenderError::new(&error, ""))?;
        template.render(scope.root()).map_err(|error| RenderError::new(&error, template.source()))
    }

    /// The value of an expression.
    pub(super) fn evaluate(
        &self,
        expression: &Expression,
        scope: &Scope,
    ) -> Result<serde_json::Value, RenderError> {
        let value = self.value(expression, scope)?;
        serde_json::to_value(&value).map_err(|error| RenderError(format!("the value is not JSON: {error}")))
    }

    /// Whether the value of an expression counts as true: not false, zero, empty or none.
    pub(super) fn holds(&self, expression: &Expression, scope: &Scope) -> Result<bool, RenderError> {
        self.value(expression, scope).map(|value| value.is_true())
    }

    fn value(&self, expression: &Expression, scope: &Scope) -> Result<Value, RenderError> {
        let template =
            self.engine.get_template(&expression.0).map_err(|error| RenderError::new(&error, ""))?;
        let rendered = template
            .render_captured(scope.root())
            .map_err(|error| RenderError::new(&error, template.source()))?;
        match rendered.state().lookup(RESULT) {
            Some(value) if !value.is_undefined() => Ok(value),
            _ => Err(RenderError(format!("{:?} is undefined", inner_of_wrapper(template.source())))),
        }
    }

    fn add(&mut self, source: String, variables: &[&str]) -> Result<String, TemplateError> {
        let name = self.count.to_string();
        let syntax = |error: Error| TemplateError::Syntax(reason(&error));
        self.engine.add_template_owned(name.clone(), source).map_err(syntax)?;
        let used = self.engine.get_template(&name).map_err(syntax)?.undeclared_variables(false);
        let unknown =
            used.into_iter().filter(|used| !variables.contains(&used.as_str()) && !self.is_function(used));
        if let Some(unknown) = unknown.min() {
            return Err(TemplateError::Variable(unknown));
        }
        self.count += 1;
        Ok(name)
    }

    fn is_function(&self, name: &str) -> bool {
        self.engine.globals().any(|(global, _)| global == name)
    }
}

impl Scope {
    /// The scope of a run, outside of any repetition.
    pub(super) fn new(input: &serde_json::Value, prediction: &str) -> Self {
        Self { input: Value::from(Serde(input)), prediction: context!(id => prediction), turn: None }
    }

    /// The scope of one repetition of a step.
    pub(super) fn at(&self, turn: Turn) -> Self {
        Self { turn: Some(turn), ..self.clone() }
    }

    fn root(&self) -> Value {
        Value::from_object(self.clone())
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "input" => Some(self.input.clone()),
            "prediction" => Some(self.prediction.clone()),
            "index" => self.turn.map(|turn| Value::from(turn.index)),
            "loop" => self.turn.map(Turn::variable),
            _ => None,
        }
    }
}

impl Turn {
    /// The variable `loop`, with the names that a loop inside a template has.
    fn variable(self) -> Value {
        context!(
            index => self.index,
            index0 => self.index - 1,
            first => self.index == 1,
            last => self.index == self.length,
            length => self.length,
        )
    }
}

impl RenderError {
    fn new(error: &Error, source: &str) -> Self {
        let range = error.range().filter(|range| !range.is_empty());
        Self(match (error.kind(), range.and_then(|range| source.get(..range.start).zip(source.get(range)))) {
            (ErrorKind::UndefinedError, Some((before, part))) => {
                format!("{:?} is undefined", format!("{}{part}", path_at_end(before)))
            }
            (_, Some((_, part))) => format!("{} in {part:?}", reason(error)),
            (_, None) => reason(error),
        })
    }
}

/// The engine blames the last parts of a path such as `input.a.b`; these are the parts before them.
fn path_at_end(before: &str) -> &str {
    let path = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
    &before[before.trim_end_matches(path).len()..]
}

/// What is inside the braces of a template that may be one expression.
fn inner_expression(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    Some(inner.strip_suffix(['-', '+']).unwrap_or(inner).trim())
}

fn inner_of_wrapper(wrapper: &str) -> &str {
    let inner = wrapper.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    inner.map_or(wrapper, |(inner, _)| inner)
}

fn reason(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned)
}

fn print(out: &mut minijinja::Output, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let written = match value.as_str() {
        Some(text) => out.write_str(text),
        None => out.write_str(json(value)?.as_str()),
    };
    written.map_err(Error::from)
}

fn json(value: &Value) -> Result<Json, Error> {
    let tree = serde_json::to_value(value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(Json::from_value(&tree))
}
