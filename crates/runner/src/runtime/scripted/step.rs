//! Reads `[[model.step]]` tables.

use super::amount::{Amount, REPEAT, WAIT};
use super::error::{Problem, ScriptError};
use super::limits::MAX_STEPS;
use super::model::{Condition, Ending, OutputKind, Step, StepOutput};
use super::pattern::{Pattern, Text, compile_expression};
use super::table::{Field, Table};
use super::template::{RUN_VARIABLES, TURN_VARIABLES, Templates};
use crate::event::{FileContent, ProducedFile};

const KEYS: &[&str] =
    &["when", "repeat", "wait_ms", "log", "metric", "output", "output_file", "fail", "crash", "hang"];

/// The exit status of `crash = true`.
const CRASH_STATUS: u8 = 1;

/// Reads all steps of a model, compiling their templates.
pub(super) fn read_all(
    model: &Table<'_>,
    kind: OutputKind,
    templates: &mut Templates,
) -> Result<Vec<Step>, ScriptError> {
    let field = model.required("step")?;
    let fields = field.items()?;
    if let Some(field) = fields.get(MAX_STEPS) {
        return Err(field.error(Problem::TooMany {
            what: "steps",
            most: MAX_STEPS,
            place: model.place.clone(),
        }));
    }
    let mut reader = Reader { kind, templates };
    fields.iter().enumerate().map(|(index, field)| reader.step(field, index + 1)).collect()
}

/// What reading a step needs besides its table.
struct Reader<'t> {
    kind: OutputKind,
    templates: &'t mut Templates,
}

impl Reader<'_> {
    fn step(&mut self, field: &Field<'_>, number: usize) -> Result<Step, ScriptError> {
        let table = field.table(format!("step {number}"), KEYS)?;
        let step = Step {
            number,
            when: self.optional(&table, "when", Self::condition)?,
            repeat: self.optional(&table, "repeat", |reader, field| {
                Amount::compile(field, &REPEAT, reader.templates, RUN_VARIABLES)
            })?,
            wait: self.optional(&table, "wait_ms", |reader, field| {
                Amount::compile(field, &WAIT, reader.templates, TURN_VARIABLES)
            })?,
            log: self.optional(&table, "log", Self::text)?,
            metrics: self.optional(&table, "metric", Self::metrics)?.unwrap_or_default(),
            output: self.output(&table)?,
            ending: self.ending(&table)?,
        };
        if step.is_idle() { Err(table.error(Problem::Idle(table.place.clone()))) } else { Ok(step) }
    }

    fn optional<T>(
        &mut self,
        table: &Table<'_>,
        key: &'static str,
        read: impl FnOnce(&mut Self, &Field<'_>) -> Result<T, ScriptError>,
    ) -> Result<Option<T>, ScriptError> {
        table.get(key).map(|field| read(self, &field)).transpose()
    }

    fn condition(&mut self, field: &Field<'_>) -> Result<Condition, ScriptError> {
        if let Ok(fixed) = field.boolean() {
            return Ok(Condition::Fixed(fixed));
        }
        let must = "be true, false or one expression in braces";
        field.text().map_err(|_| field.wrong_type("true, false or one expression in braces"))?;
        let expression = compile_expression(field, self.templates, RUN_VARIABLES)?;
        expression.map(Condition::Expression).ok_or_else(|| field.invalid(must))
    }

    fn text(&mut self, field: &Field<'_>) -> Result<Text, ScriptError> {
        Text::compile(field, self.templates, TURN_VARIABLES)
    }

    fn metrics(&mut self, field: &Field<'_>) -> Result<Vec<(String, Pattern)>, ScriptError> {
        let metric = |field: &Field<'_>| {
            Ok((field.key.to_string(), Pattern::compile(field, self.templates, TURN_VARIABLES)?))
        };
        field.open_table()?.fields().iter().map(metric).collect()
    }

    fn output(&mut self, table: &Table<'_>) -> Result<Option<StepOutput>, ScriptError> {
        table.exclude("output", "output_file")?;
        let value = self.optional(table, "output", Self::value)?;
        let file = self.optional(table, "output_file", Self::file)?;
        Ok(value.map(StepOutput::Value).or_else(|| file.map(StepOutput::File)))
    }

    fn value(&mut self, field: &Field<'_>) -> Result<Pattern, ScriptError> {
        match self.kind {
            OutputKind::Concatenate => Pattern::text(field, self.templates, TURN_VARIABLES),
            _ => Pattern::compile(field, self.templates, TURN_VARIABLES),
        }
    }

    fn file(&mut self, field: &Field<'_>) -> Result<ProducedFile, ScriptError> {
        if self.kind == OutputKind::Concatenate {
            return Err(field.invalid("not be given: the pieces of a concatenate output are text"));
        }
        let path = field.path()?;
        let found = std::fs::metadata(&path).map_err(|error| field.bad_file(&error))?;
        let name =
            path.file_name().filter(|_| found.is_file()).ok_or_else(|| field.bad_file(&"not a file"))?;
        let name = name.to_string_lossy().into_owned();
        Ok(ProducedFile { name, content: FileContent::Path(path) })
    }

    fn ending(&mut self, table: &Table<'_>) -> Result<Option<Ending>, ScriptError> {
        for (first, second) in [("fail", "crash"), ("fail", "hang"), ("crash", "hang")] {
            table.exclude(first, second)?;
        }
        let fail = self.optional(table, "fail", Self::text)?.map(Ending::Fail);
        let crash = table.get("crash").map(|field| exit_status(&field)).transpose()?.flatten();
        let hang = table.get("hang").map(|field| field.boolean()).transpose()?.unwrap_or(false);
        Ok(fail.or(crash.map(Ending::Crash)).or_else(|| hang.then_some(Ending::Hang)))
    }
}

impl Step {
    fn is_idle(&self) -> bool {
        self.wait.is_none()
            && self.log.is_none()
            && self.metrics.is_empty()
            && self.output.is_none()
            && self.ending.is_none()
    }
}

/// The exit status of a crash; `None` when there is none after all.
fn exit_status(field: &Field<'_>) -> Result<Option<u8>, ScriptError> {
    if let Ok(crash) = field.boolean() {
        return Ok(crash.then_some(CRASH_STATUS));
    }
    let status = field.json()?.as_u64().and_then(|status| u8::try_from(status).ok());
    status.map(Some).ok_or_else(|| field.invalid("be true, false or an exit status from 0 to 255"))
}
