//! Reads a script: TOML in, models out, or the first thing that is wrong.

use cogwire_core::json::Json;
use cogwire_core::model::ModelName;
use toml::de::DeTable;

use super::contract::Contract;
use super::error::{Problem, ScriptError};
use super::limits::{MAX_TIME_SCALE, MAX_WAIT_MS};
use super::model::{OutputKind, ScriptedModel};
use super::source::Source;
use super::table::{Field, Table, advice};
use super::template::Templates;
use super::version::Claim;
use super::{input, step, version};

const KEYS: &[&str] = &[
    "owner",
    "name",
    "version",
    "versions",
    "description",
    "output",
    "schema",
    "time_scale",
    "boot_ms",
    "input",
    "step",
];

/// A model of a script.
pub(super) struct Parsed {
    pub(super) name: ModelName,
    /// The latest first; never empty.
    pub(super) versions: Vec<Claim>,
    pub(super) description: Option<String>,
    pub(super) document: Json,
    pub(super) model: ScriptedModel,
}

/// Reads all models of a script.
pub(super) fn models(source: &Source) -> Result<Vec<Parsed>, ScriptError> {
    let toml = |error: toml::de::Error| {
        let problem = Problem::Toml(error.message().replace('\n', ", "));
        source.error(&error.span().unwrap_or_default(), problem)
    };
    let document = DeTable::parse(&source.text).map_err(toml)?;
    let table = Table::new(source, "the script".to_owned(), document.span(), document.get_ref(), &["model"])?;
    let field = table.get("model").ok_or_else(|| table.error(Problem::NoModel))?;
    let fields = field.items()?;
    if fields.is_empty() {
        return Err(table.error(Problem::NoModel));
    }
    fields.iter().enumerate().map(|(index, field)| model(field, index + 1)).collect()
}

fn model(field: &Field<'_>, number: usize) -> Result<Parsed, ScriptError> {
    let table = field.table(format!("model {number}"), KEYS)?;
    let name = name(&table)?;
    table.exclude("schema", "input")?;
    let schema = table.get("schema").map(|field| Contract::read(&field)).transpose()?;
    let output = output_kind(&table, schema.as_ref())?;
    let mut templates = Templates::new();
    let steps = step::read_all(&table, output, &mut templates)?;
    let contract = match schema {
        Some(contract) => contract,
        None => Contract::declared(input::read(table.get("input").as_ref())?, output, &steps),
    };
    let description =
        table.get("description").map(|field| field.text().map(ToOwned::to_owned)).transpose()?;
    let model = ScriptedModel {
        templates,
        output,
        time_scale: number_within(&table, "time_scale", MAX_TIME_SCALE)?.unwrap_or(1.0),
        boot_ms: number_within(&table, "boot_ms", MAX_WAIT_MS)?.unwrap_or(0.0),
        defaults: contract.defaults,
        steps,
    };
    let versions = version::read(field, &table, &contract.document)?;
    Ok(Parsed { name, versions, description, document: contract.document, model })
}

fn name(table: &Table<'_>) -> Result<ModelName, ScriptError> {
    let part = |key| {
        let field = table.required(key)?;
        let text = field.text()?;
        let refuse =
            |_| field.invalid(format!("have 1 to 100 characters from a-z A-Z 0-9 . _ -, not be {text:?}"));
        ModelName::new(text, text).map(|_| text).map_err(refuse)
    };
    let (owner, name) = (part("owner")?, part("name")?);
    Ok(ModelName::new(owner, name).expect("both parts are valid"))
}

/// What the script says, which must agree with its schema file; without both, a value.
fn output_kind(table: &Table<'_>, schema: Option<&Contract>) -> Result<OutputKind, ScriptError> {
    let Some(field) = table.get("output") else {
        return Ok(schema.map_or(OutputKind::Value, |contract| contract.output));
    };
    let text = field.text()?;
    let known = [OutputKind::Value, OutputKind::List, OutputKind::Iterator, OutputKind::Concatenate];
    let advice = || advice(text, &known.map(OutputKind::as_str));
    let kind = text
        .parse()
        .map_err(|_| field.invalid(format!("be a kind of output, not {text:?} ({})", advice())))?;
    match schema.map(|contract| contract.output).filter(|&other| other != kind) {
        None => Ok(kind),
        Some(other) => Err(field.invalid(format!("be \"{other}\", as the schema file says, or be left out"))),
    }
}

fn number_within(table: &Table<'_>, key: &'static str, most: f64) -> Result<Option<f64>, ScriptError> {
    let Some(field) = table.get(key) else { return Ok(None) };
    let number = field.number()?;
    if (0.0..=most).contains(&number) {
        return Ok(Some(number));
    }
    Err(field.invalid(format!("be a number from 0 to {most}, not {number}")))
}
