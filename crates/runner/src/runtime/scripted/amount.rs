//! Numbers of a script that may be computed from the input: how long to wait, how often to repeat.

use serde_json::Value;

use super::error::ScriptError;
use super::limits::{MAX_REPEAT, MAX_WAIT_MS};
use super::pattern::compile_expression;
use super::table::Field;
use super::template::{Expression, RenderError, Scope, Templates};

/// A number, or an expression that gives one.
#[derive(Debug)]
pub(super) enum Amount {
    Fixed(f64),
    Expression(Expression),
}

/// Which numbers are possible: from 0 to `most`.
pub(super) struct Bounds {
    most: f64,
    whole: bool,
}

/// A wait in milliseconds.
pub(super) const WAIT: Bounds = Bounds { most: MAX_WAIT_MS, whole: false };

/// A number of repetitions.
pub(super) const REPEAT: Bounds = Bounds { most: MAX_REPEAT as f64, whole: true };

impl Amount {
    pub(super) fn compile(
        field: &Field<'_>,
        bounds: &Bounds,
        templates: &mut Templates,
        variables: &[&str],
    ) -> Result<Self, ScriptError> {
        let value = field.json()?;
        if value.is_string()
            && let Some(expression) = compile_expression(field, templates, variables)?
        {
            return Ok(Self::Expression(expression));
        }
        let refuse =
            || field.invalid(format!("be {}, or an expression in braces, not {value}", bounds.describe()));
        bounds.admit(&value).map(Self::Fixed).ok_or_else(refuse)
    }

    pub(super) fn evaluate(
        &self,
        bounds: &Bounds,
        templates: &Templates,
        scope: &Scope,
    ) -> Result<f64, RenderError> {
        match self {
            Self::Fixed(number) => Ok(*number),
            Self::Expression(expression) => {
                let value = templates.evaluate(expression, scope)?;
                let refuse = || RenderError(format!("{value} is not {}", bounds.describe()));
                bounds.admit(&value).ok_or_else(refuse)
            }
        }
    }
}

impl Bounds {
    fn admit(&self, value: &Value) -> Option<f64> {
        let possible =
            |number: &f64| (0.0..=self.most).contains(number) && (!self.whole || number.fract() == 0.0);
        value.as_f64().filter(possible)
    }

    fn describe(&self) -> String {
        format!("a {}number from 0 to {}", if self.whole { "whole " } else { "" }, self.most)
    }
}
